#!/usr/bin/env bash
# The service units: complete, and as closed as they claim.
# shellcheck source=tests/e2e/lib.sh
. "$ASKD_SRCDIR/tests/e2e/lib.sh"
unit=$build/contrib/systemd/askd.service
for u in "$unit" "$build/contrib/systemd/askd-user.service"; do
    like "$(sed -n 's/^ExecStart=//p' "$u")" '^/.*/askd$' "${u##*/} names the installed program"
    ok "$(grep -qx 'SystemCallFilter=seccomp landlock_.*' "$u"; echo $?)" "... askd may confine itself"
    is "$(grep -c '@' <<<"$(grep -v '^SystemCallFilter' "$u")")" 0 "... and no place is left open"
done
ok "$(grep -q '^SystemCallFilter=seccomp.* setpriority$' "$unit"; echo $?)" "threads that compute may step back"
for line in PrivateNetwork=yes ProtectSystem=strict MemoryDenyWriteExecute=yes \
    NoNewPrivileges=yes CapabilityBoundingSet= RestrictAddressFamilies=AF_UNIX; do
    ok "$(grep -qx "$line" "$unit"; echo $?)" "the system service has $line"
done
if command -v systemd-analyze >/dev/null; then
    # The exposure, 0 (none) to 10, of a unit file alone.
    score=$(systemd-analyze security --offline=true --no-pager "$unit" 2>/dev/null |
        sed -n 's/.*Overall exposure level.*: \([0-9.]*\) .*/\1/p')
    ok "$(awk -v s="${score:-10}" 'BEGIN {print (s > 1.5)}')" "systemd-analyze: exposure ${score:-unknown}"
else
    echo "# skipped: systemd-analyze is absent"
fi
finish
