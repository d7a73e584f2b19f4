// SPDX-License-Identifier: MIT
// Who may do what with which collection. Nobody may do anything that is not written down, but
// root and the user that askd runs as, who can read its files anyway.
//
//   [access]
//   alice  = read handbook, public       a user, by name or uid; or a token, by name
//   @staff = read public                 a group, by name or gid
//   prom   = admin *                     metrics and the inside of /v1/status; reads nothing
//   *      = read public                 every user and every token
//   anonymous = read public              whoever comes over loopback TCP without a token
//   [tokens]
//   alice  = HEX                         SHA-256 of what `askd --make-token alice` printed
//
// A token by the name of a user of this machine is that user, groups included. Rights add up.
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/rights.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum access_right { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_ADMIN = 4 };

struct access;
struct access_token;

// Who speaks: the peer of a Unix socket, the bearer of a token, or nobody in particular.
struct principal {
    bool known; // else anonymous
    bool local; // uid and groups are those of a user of this machine
    uid_t uid;
    const gid_t *groups;
    size_t n_groups;
    const struct access_token *token; // NULL: none
};

// An empty table: nothing for anybody but root and the daemon's own user. NULL: no memory.
struct access *access_new(void);
void access_free(struct access *t); // NULL-safe
// One line of [access] or [tokens]; `line` is for access_check. -EINVAL says what is wrong.
int access_add(struct access *t, const char *who, const char *value, int line, struct err *e);
int access_add_token(struct access *t, const char *name, const char *sha256, struct err *e);
// Once all is read: every name is a user's or a token's. -EINVAL with the line in *line.
int access_check(const struct access *t, int *line, struct err *e);
bool access_has_tokens(const struct access *t);

const char *access_token_name(const struct access_token *k);

// The bearer of this token (as sent); false: there is none such. All tokens are compared, in
// the same time whichever it is.
bool access_bearer(const struct access *t, const char *token, struct principal *out);
// 32 random bytes as a token, and its SHA-256 in 64 hexadecimal digits. 0 or -EIO.
#define ACCESS_TOKEN_MAX 80
int access_make_token(char token[ACCESS_TOKEN_MAX], char sha256[65], struct err *e);

// Root, or the user that askd runs as.
bool access_owner(const struct principal *p);
// Is there any collection, or rule about all of them, that gives `p` the right?
bool access_somewhere(const struct access *t, const struct principal *p,
                      enum access_right right);
// Is the right given for all collections, those to come included?
bool access_everywhere(const struct access *t, const struct principal *p,
                       enum access_right right);
// The setting `acl`: "" (the collection decides), "files" (so do the permissions of the files,
// in all collections), "files NAME, NAME" (in these). -EINVAL.
int access_check_acl(const char *acl, struct err *e);
// What `p` has the right on, in `a`: collections, none perhaps, and where `acl` says so, of
// them the documents whose files its uid and groups could read. Whoever has no uid (a token by
// the name of no user, anonymous) reads nothing there; root and the daemon's own user read
// everything, as they can anyway. -ENOMEM.
int access_rights(const struct access *t, const char *acl, const struct principal *p,
                  enum access_right right, arena *a, struct rights *out);
// A number for this principal, the same after a restart: whose conversations and whose cached
// prompts. A uid; -1 for anonymous; otherwise below that. Under an `acl` the groups count too:
// what one session of a user was told another may not read. With "" it is whose share of the
// daemon, whatever his groups.
int64_t access_number(const struct principal *p, const char *acl);
