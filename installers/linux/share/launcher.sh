#!/bin/sh
# Starts the version of Easel that `current` names, or the one before where that is gone.
base=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
for version in $(cat "$base/current"); do
    if [ -x "$base/versions/$version/easel" ]; then exec "$base/versions/$version/easel" "$@"; fi
done
echo "easel: no version of Easel is left in $base; install it again, your pictures and settings are kept." >&2
exit 3
