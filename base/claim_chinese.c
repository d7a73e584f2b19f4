// SPDX-License-Identifier: MIT
// Chinese text into a claim: characters are words; what denies, what needs, numbers in
// characters and units are known as strings.
#include "base/claim_internal.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <string.h>

static bool begins(const struct claim_reader *r, size_t i, const char *with)
{
    size_t n = strlen(with);
    return r->n - i >= n && !memcmp(r->s + i, with, n);
}

// The first of the strings (NULL at the end) that stands at byte i; its length, or 0.
static size_t any_of(const struct claim_reader *r, size_t i, const char *const *list)
{
    for (; *list; list++)
        if (begins(r, i, *list))
            return strlen(*list);
    return 0;
}

static void add_character(struct claim_reader *r, size_t i, size_t step)
{
    static const char *const verb[] = {"用", "在", "为", "到", "是", "加", "行", "入",
                                       "设", "改", "存", "于", "从", "写", NULL};
    static const char *const label[] = {"号", "项", "章", "节", "页", "步", "图", "表", NULL};
    r->verb |= any_of(r, i, verb) != 0;
    r->label = any_of(r, i, label) != 0;
    r->ordinal = begins(r, i, "第");
    r->hash = claim_mix(r->hash, hash64_of(r->s + i, step, 2));
    r->characters++;
    r->at_value = false;
    r->colon = false;
}

// A unit, and what makes the number before it a date or an ordinal. Bytes read, or 0.
static size_t chinese_behind_value(struct claim_reader *r, size_t i)
{
    static const char *const unit[] = {
        "毫秒",   "秒钟", "分钟", "个小时", "小时", "个星期", "星期", "个月",
        "个字符", "字符", "字节", "公里",   "秒",   "天",     "周",   "次",
        "元",     "人",   "位",   "米",     "兆",   "万",     "倍",   "级",
        "度",     "份",   "个",   "点",     "时",   "分",     NULL};
    static const char *const ordinal[] = {"章", "节", "页", "步", "条", "图", "表",
                                          "项", "版", "行", "列", "层", "课", NULL};
    static const char *const verb[] = {"是", "有", "将", "会", "需", "可", NULL};
    struct claim_value *v = &r->c->value[r->c->n_values - 1];
    if (begins(r, i, "年") || begins(r, i, "月") || begins(r, i, "日") || begins(r, i, "号")) {
        if (begins(r, i, "月") && r->number_hash)
            v->hash += claim_quantity(r->number, 'M') - r->number_hash;
        v->kind = CLAIM_DATE;
        v->end = (uint32_t)(i + 3);
        r->number_hash = 0;
        return 3;
    }
    size_t n = any_of(r, i, unit);
    if (n && claim_add_unit(r, r->s + i, n, i + n))
        return n;
    if (any_of(r, i, ordinal) || any_of(r, i, verb))
        v->told = false;
    return 0;
}

// "三次", "十二个月": a number in characters, if a unit follows. Bytes read, or 0.
static size_t chinese_number(struct claim_reader *r, size_t i)
{
    static const char *const digit[] = {"零", "一", "二", "三", "四", "五",
                                        "六", "七", "八", "九", "两"};
    static const char *const unit[] = {"分钟", "小时", "个小时", "个月", "天", "周", "次",
                                       "年",   "秒",   "元",     "人",   "位", "倍", NULL};
    double total = 0, last = 0;
    size_t from = i, had = 0;
    while (i + 3 <= r->n) {
        int d = -1;
        for (int k = 0; k < 11; k++)
            if (begins(r, i, digit[k]))
                d = k == 10 ? 2 : k;
        if (d >= 0) {
            last = d;
        } else if (begins(r, i, "十") || begins(r, i, "百")) {
            total += (had && last > 0 ? last : 1) * (begins(r, i, "十") ? 10 : 100);
            last = 0;
        } else {
            break;
        }
        had++;
        i += 3;
    }
    if (!had || !any_of(r, i, unit))
        return 0;
    claim_add_number(r, CLAIM_NUMBER, total + last, from, i);
    return i - from;
}

size_t claim_read_chinese(struct claim_reader *r, size_t i, size_t step)
{
    static const char *const denials[] = {"不可以", "不允许", "不能够", "不能", "不可", "不得",
                                          "不会",   "不再",   "禁止",   "无法", NULL};
    static const char *const needless[] = {"不需要", "不必", "不用", "无需", "无须", NULL};
    static const char *const needed[] = {"必须", "需要", "须", "需", NULL};
    static const char *const harmless[] = {"不同", "不过", "不仅", "不但", "不断", "不如",
                                           "不管", "不论", "不足", "不少", "未来", NULL};
    static const char *const little[] = {"可以", "能够", "允许", "已经", "目前", "现在", "的",
                                         "了",   "将",   "已",   "会",   "也",   "就",   "都",
                                         "则",   "可",   "能",   "请",   NULL};
    static const char *const day[] = {"星期", "礼拜", "周", NULL};
    static const char *const days[] = {"一", "二", "三", "四", "五", "六", "日", "天"};
    size_t n;
    if (r->at_value && r->c->n_values && (n = chinese_behind_value(r, i)))
        return n;
    if ((n = any_of(r, i, day)))
        for (int k = 0; k < 8; k++)
            if (begins(r, i + n, days[k])) {
                r->number_hash = 0;
                claim_add_value(r, CLAIM_DATE, claim_quantity(k == 7 ? 6 : k, 'W'), i,
                                i + n + 3);
                return n + 3;
            }
    if ((n = chinese_number(r, i)))
        return n;
    if ((n = any_of(r, i, needless))) {
        r->c->negated = !r->c->negated;
        r->hash = claim_mix(r->hash, CLAIM_PLACE_NEED);
        r->characters++;
        r->at_value = false;
        return n;
    }
    if ((n = any_of(r, i, needed))) {
        r->hash = claim_mix(r->hash, CLAIM_PLACE_NEED);
        r->characters++;
        r->at_value = false;
        return n;
    }
    if (!any_of(r, i, harmless)) {
        if (!(n = any_of(r, i, denials)) && (begins(r, i, "不") || begins(r, i, "未")))
            n = step;
        if (!n && begins(r, i, "没有")) // but "有" stays
            n = step;
        if (n) {
            r->c->negated = !r->c->negated;
            r->at_value = false;
            return n;
        }
    }
    if ((n = any_of(r, i, little))) {
        r->at_value = false;
        return n;
    }
    if (begins(r, i, "：")) {
        r->colon = true;
        return 3;
    }
    uint32_t cp = utf8_decode(r->s + i, r->n - i, &n);
    if (utf8_is_letter(cp))
        add_character(r, i, step);
    return step;
}
