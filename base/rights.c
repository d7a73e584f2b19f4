// SPDX-License-Identifier: MIT
#include "base/rights.h"

#include "base/permissions.h"

#include <string.h>

static bool listed(const char *const *names, const char *name)
{
    bool found = !names;
    for (size_t i = 0; !found && names[i]; i++)
        found = !strcmp(names[i], name);
    return found;
}

bool rights_collection(const struct rights *r, const char *name)
{
    return !r || listed(r->collections, name);
}

bool rights_by_files(const struct rights *r, const char *collection)
{
    return r && r->by_files && listed(r->files_of, collection);
}

bool rights_file(const struct rights *r, const char *permissions)
{
    return !r || (r->user && permissions_allow(permissions, r->uid, r->groups, r->n_groups));
}

bool rights_document(const struct rights *r, const char *collection, const char *permissions)
{
    return rights_collection(r, collection) &&
           (!rights_by_files(r, collection) || rights_file(r, permissions));
}

bool rights_limited(const struct rights *r)
{
    return r && (r->collections || r->by_files);
}
