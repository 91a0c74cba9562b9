#!/bin/sh
# Removes what the program left beside itself, and nothing of anybody's own: pictures, models, presets and settings lie in
# the homes of those who made them, and stay there after a purge too.
set -e
case "$1" in
    remove|purge)
        rm -rf /usr/lib/easel
        for update in "update-desktop-database -q /usr/share/applications" "update-mime-database /usr/share/mime" \
            "gtk-update-icon-cache -q -t -f /usr/share/icons/hicolor"; do
            if command -v "${update%% *}" >/dev/null; then $update || true; fi
        done
        ;;
esac
