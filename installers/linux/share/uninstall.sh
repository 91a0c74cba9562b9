#!/bin/sh
# Removes Easel. Pictures, models, presets and settings stay, unless --with-data is said.
set -eu
base=$(CDPATH= cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
data="${XDG_DATA_HOME:-$HOME/.local/share}"
if [ "${1:-}" = --with-data ]; then
    # Everything but the pictures themselves, which lie in the folder for pictures.
    rm -rf "$data/easel" "${XDG_CONFIG_HOME:-$HOME/.config}/easel" "${XDG_CACHE_HOME:-$HOME/.cache}/easel" \
        "${XDG_STATE_HOME:-$HOME/.local/state}/easel"
elif [ $# -gt 0 ]; then
    echo "easel: $1 is not known; --with-data is." >&2; exit 2
fi
rm -f "$data/applications/app.easel.Easel.desktop" "$data/icons/hicolor/scalable/apps/app.easel.Easel.svg" \
    "$data/icons/hicolor/256x256/apps/app.easel.Easel.png" "$data/mime/packages/app.easel.Easel.xml" \
    "$data/metainfo/app.easel.Easel.metainfo.xml"
if [ "$(readlink "$HOME/.local/bin/easel" 2>/dev/null)" = "$base/easel" ]; then rm -f "$HOME/.local/bin/easel"; fi
for update in "update-desktop-database -q $data/applications" "update-mime-database $data/mime"; do
    if command -v "${update%% *}" >/dev/null; then $update >/dev/null 2>&1 || true; fi
done
if [ -d "$base/portable" ]; then echo "Your data in $base/portable stay."; fi
rm -rf "$base/versions" "$base/current"
rm -f "$base/easel" "$base/uninstall"
rmdir "$base" 2>/dev/null || true
echo "Easel is removed. Your pictures, models and settings are where they were."
