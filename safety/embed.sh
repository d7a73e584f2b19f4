#!/bin/sh
# embed.sh RULES.INI: the file as the C string safety_builtin_rules, a line a line.
set -eu
echo '// Made from rules.ini.'
echo 'extern const char safety_builtin_rules[];'
echo 'const char safety_builtin_rules[] ='
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/^/    "/' -e 's/$/\\n"/' "$1"
echo '    ;'
