#!/bin/sh
# pins.sh MANIFEST: its "result NAME BYTES SHA256" lines as a C table.
set -eu
echo '// Made from models/manifest.'
echo '#include "doctor/doctor.h"'
echo 'const struct pin pins[] = {'
awk '$1 == "result" { printf "    {\"%s\", %sULL, \"%s\"},\n", $2, $3, $4 }' "$1"
echo '};'
echo 'const size_t n_pins = sizeof pins / sizeof *pins;'
