#!/bin/sh
# The desktop's lists are made again by dpkg's triggers where the desktop has them; this is for those that have none.
set -e
if [ "$1" = configure ]; then
    for update in "update-desktop-database -q /usr/share/applications" "update-mime-database /usr/share/mime" \
        "gtk-update-icon-cache -q -t -f /usr/share/icons/hicolor"; do
        if command -v "${update%% *}" >/dev/null; then $update || true; fi
    done
fi
