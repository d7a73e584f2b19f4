// SPDX-License-Identifier: MIT
// What words mean to a claim, English ones by lists.
#include "base/claim_internal.h"

#include "base/hash.h"

#include <pthread.h>
#include <string.h>

// Each word stands between spaces.

static const char dropped[] =
    " a an the is are was were be been being am now currently presently already also just still"
    " will would shall please then so do does has have had that which can may might could"
    " only today newly therefore however thus very it its ";
static const char auxiliaries[] =
    " is are was were be will would shall can may might could must should has have had does do"
    " did cannot isn't aren't doesn't don't won't can't ";
static const char negations[] = " not no never cannot can't don't doesn't isn't aren't won't"
                                " shouldn't mustn't nor ";
static const char prepositions[] =
    " at after in to on by within until from with than every for before under over up of via"
    " per about least most exactly maximum minimum through between since till as into ";
// Stems, see stem_of.
static const char verbs[] =
    " us run set type enter edit wait pass add call start stop put copy writ open restart"
    " install keep delet remov send ask tak end expir last stor listen hold allow support"
    " requir ne cost get contain begin li liv clos work default read return includ provid"
    " weigh accept reach log connect bind serv point mak creat giv grow leav mov chang charg "
    "pay"
    " receiv retain sav schedul repeat refus reject limit cach cover block lock updat upgrad"
    " happen occur tri retri fail check ";
// Of what is named by a number: the number is no claim.
static const char labels[] =
    " chapter section step figure fig table page line part example option item note bug issue"
    " rule question exercise appendix lesson test case phase stage row column slot number no"
    " nr rfc article clause paragraph volume room hall building floor level class group type"
    " tier plan error code day week id ticket pr bit cve level runlevel task point argument"
    " parameter node host server disk channel ";
static const char leaning[] = " it this these they he she such both default that those here ";
static const char markers[] =
    " old older new newer copy draft final backup bak orig original previous prev latest"
    " archive archived archives obsolete deprecated superseded current version ver revision rev"
    " of ";
static const char wordy_numbers[] =
    " zero two three four five six seven eight nine ten eleven twelve ";
static const char weekdays[] =
    " monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays"
    " thursdays fridays saturdays sundays ";
static const char months[] = " january february march april may june july august september"
                             " october november december ";
static const char short_months[] = " jan feb mar apr may jun jul aug sep oct nov dec ";

#define TABLE 2048 // a power of two, more than twice the words

static struct {
    uint64_t hash;
    unsigned lists;
} table[TABLE];
static pthread_once_t table_made = PTHREAD_ONCE_INIT;

static void add_list(const char *words, unsigned list)
{
    for (const char *w = words + 1; *w;) {
        size_t n = strcspn(w, " ");
        uint64_t h = hash64_of(w, n, 2);
        size_t i = h % TABLE;
        while (table[i].lists && table[i].hash != h)
            i = (i + 1) % TABLE;
        table[i].hash = h;
        table[i].lists |= list;
        w += n + (w[n] == ' ');
    }
}

unsigned claim_lists_of(uint64_t hash)
{
    for (size_t i = hash % TABLE; table[i].lists; i = (i + 1) % TABLE)
        if (table[i].hash == hash)
            return table[i].lists;
    return 0;
}

int claim_position(const char *list, const char *w, size_t n)
{
    int count = 1;
    for (const char *p = list + 1; *p; count++) {
        size_t k = strcspn(p, " ");
        if (k == n && !memcmp(p, w, n))
            return count;
        p += k + (p[k] == ' ');
    }
    return 0;
}

// Units, with what makes those of one dimension comparable.
static const struct claim_unit units[] = {
    {" second seconds sec secs s 秒 秒钟 ", 't', 1},
    {" minute minutes min mins 分钟 分 ", 't', 60},
    {" hour hours h hr hrs 小时 个小时 ", 't', 3600},
    {" day days 天 ", 't', 86400},
    {" week weeks 周 个星期 星期 ", 't', 604800},
    {" month months 个月 ", 'm', 1},
    {" year years ", 'm', 12},
    {" millisecond milliseconds ms 毫秒 ", 't', 1e-3},
    {" byte bytes b 字节 ", 'b', 1},
    {" kb kib kilobytes k ", 'b', 1e3},
    {" mb mib megabytes m 兆 ", 'b', 1e6},
    {" gb gib gigabytes g ", 'b', 1e9},
    {" tb tib terabytes t ", 'b', 1e12},
    {" percent % ", '%', 1},
    {" am ", 'a', 1},
    {" pm ", 'p', 1},
    {" time times 次 ", 'x', 1},
    {" euro euros eur dollars dollar usd 元 ", '$', 1},
    {" person people persons users 人 位 ", 'u', 1},
    {" character characters chars 个字符 字符 ", 'c', 1},
    {" meter meters metres m 米 ", 'l', 1},
    {" km kilometers kilometres 公里 ", 'l', 1e3},
    {" 万 ", 'w', 1e4},
    {" 倍 级 度 份 个 点 时 ", 'z', 1},
};

const struct claim_unit *claim_unit_of(const char *w, size_t n)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (claim_position(units[i].names, w, n))
            return &units[i];
    return NULL;
}

static const struct {
    const char *denied, *said;
} opposites[] = {{" disabled ", "enabled"},
                 {" forbidden ", "allowed"},
                 {" prohibited ", "allowed"},
                 {" optional ", "required"},
                 {" unsupported ", "supported"}};

static void make_table(void)
{
    static const struct {
        const char *words;
        unsigned list;
    } lists[] = {{dropped, CLAIM_IN_DROPPED},
                 {auxiliaries, CLAIM_IN_AUXILIARY},
                 {negations, CLAIM_IN_NEGATION},
                 {prepositions, CLAIM_IN_PREPOSITION},
                 {verbs, CLAIM_IN_VERB},
                 {labels, CLAIM_IN_LABEL},
                 {leaning, CLAIM_IN_LEANING},
                 {markers, CLAIM_IN_MARKER},
                 {wordy_numbers, CLAIM_IN_WORDY_NUMBER},
                 {weekdays, CLAIM_IN_WEEKDAY},
                 {months, CLAIM_IN_MONTH},
                 {short_months, CLAIM_IN_SHORT_MONTH}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        add_list(lists[i].words, lists[i].list);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        add_list(units[i].names, CLAIM_IN_UNIT);
    for (size_t i = 0; i < sizeof opposites / sizeof *opposites; i++)
        add_list(opposites[i].denied, CLAIM_IN_OPPOSITE);
}

int claim_wordy_number(const char *w, size_t n)
{
    int k = claim_position(wordy_numbers, w, n);
    return !k ? -1 : k == 1 ? 0 : k;
}

int claim_weekday(const char *w, size_t n)
{
    int k = claim_position(weekdays, w, n);
    return k ? (k - 1) % 7 : -1;
}

int claim_month(const char *w, size_t n)
{
    int m = claim_position(months, w, n);
    return m ? m : claim_position(short_months, w, n);
}

const char *claim_opposite(const char *w, size_t n)
{
    for (size_t i = 0; i < sizeof opposites / sizeof *opposites; i++)
        if (claim_position(opposites[i].denied, w, n))
            return opposites[i].said;
    return NULL;
}

bool claim_is_telling(const char *word, size_t n)
{
    claim_make_lists();
    return (claim_lists_of(hash64_of(word, n, 2)) & (CLAIM_IN_NEGATION | CLAIM_IN_WORDY_NUMBER |
                                                     CLAIM_IN_WEEKDAY | CLAIM_IN_OPPOSITE)) ||
           claim_position(" 不 没 未 无 禁 一 二 两 三 四 五 六 七 八 九 十 百 ", word, n);
}

bool claim_is_marker(const char *word, size_t n)
{
    return claim_position(markers, word, n) != 0;
}

void claim_make_lists(void)
{
    pthread_once(&table_made, make_table);
}
