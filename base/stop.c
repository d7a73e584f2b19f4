// SPDX-License-Identifier: MIT
#include "base/stop.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static const char words[] =
    " a an the of to in on at for and or is are was were be been being it its this that these"
    " those with as by from you your we our they their can could will would should may might do"
    " does did done has have had if then than so which who whom what when where how why there"
    " here about into i me my he she his her them but any some all each other more most no not"
    " only up out need needs want wants get gets got make use used using way thing things one"
    " please tell someone something don doesn isn aren won t s m re ve ll much many long "
    "anybody"
    " anyone nobody somebody let lets happen happens just still also too very don't it's i'm"
    " someone's doesn't isn't can't ";

static const char characters[] =
    "的了是在和有我你他她它们这那吗呢吧啊怎么样什如何哪个些请问要会"
    "能可以该为与或及把被让给到从对就都也还很不没一";

static bool is_stop_character(const char *s, size_t n)
{
    char one[5] = {0};
    memcpy(one, s, n);
    return strstr(characters, one) != NULL;
}

bool stop_word(const char *w)
{
    char key[32];
    size_t n = strlen(w), step;
    if (!n || n + 3 > sizeof key)
        return false;
    snprintf(key, sizeof key, " %s ", w);
    if (strstr(words, key))
        return true;
    for (size_t i = 0; i < n; i += step)
        if (!utf8_is_cjk(utf8_decode(w + i, n - i, &step)) || !is_stop_character(w + i, step))
            return false;
    return true;
}
