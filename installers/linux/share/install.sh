#!/bin/sh
# Installs Easel for the person who runs this, without root; run again with a newer version it is the update.
#   --prefix FOLDER   where to (otherwise ~/.local/opt/easel)       --no-start   do not open Easel afterwards
# The new version comes into a folder of its own beside the old one. `current` says which is used and is replaced in one
# step at the end: stopped or killed before that, the old version is as it was. `easel rollback` goes back to it.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
base="${HOME:?}/.local/opt/easel"
start=yes
while [ $# -gt 0 ]; do
    case "$1" in
        --prefix) base="$2"; shift ;;
        --no-start) start=no ;;
        *) echo "easel: $1 is not known; --prefix FOLDER and --no-start are." >&2; exit 2 ;;
    esac
    shift
done
data="${XDG_DATA_HOME:-$HOME/.local/share}"
version=$(cat "$here/version")
needed=$(cat "$here/kilobytes")

mkdir -p "$base/versions" "$data"
free=$(df -Pk "$base" | awk 'NR == 2 { print $4 }')
if [ "$free" -lt "$needed" ]; then
    echo "easel: $((needed / 1000)) MB are needed in $base, and $((free / 1000)) MB are free. Nothing was changed." >&2
    exit 3
fi

# What `current` does not name is an update that was killed, or a version of long ago.
kept=" $(cat "$base/current" 2>/dev/null | tr '\n' ' ') "
for folder in "$base"/versions/*; do
    case "$kept" in *" ${folder##*/} "*) ;; *) rm -rf "$folder" ;; esac
done
name=$version
number=1
while [ -e "$base/versions/$name" ]; do number=$((number + 1)); name="$version-$number"; done

echo "Installing Easel $version for you alone, in $base …"
mkdir "$base/versions/$name"
gzip -dc "$here/easel.tar.gz" | tar -x -C "$base/versions/$name" --strip-components=1 --no-same-owner
if ! "$base/versions/$name/easel" --version >/dev/null; then
    rm -rf "$base/versions/$name"
    echo "easel: the new version does not start on this computer; nothing was changed." >&2
    exit 3
fi
# Which card is here and whether this Easel can use it: said, and left to the person (Easel runs on the processor too).
"$base/versions/$name/easel" backend || true
sync -f "$base/versions/$name" 2>/dev/null || sync
for file in launcher uninstall; do
    cp "$here/$file.sh" "$base/.$file.new" && chmod 755 "$base/.$file.new"
done
mv -f "$base/.launcher.new" "$base/easel"
mv -f "$base/.uninstall.new" "$base/uninstall"
{ echo "$name"; cat "$base/current" 2>/dev/null | head -n 1 || true; } > "$base/.current.new"
mv -f "$base/.current.new" "$base/current"

# The desktop: an entry, an icon, the kind of file; and the command.
mkdir -p "$data/applications" "$data/icons/hicolor/scalable/apps" "$data/icons/hicolor/256x256/apps" \
    "$data/mime/packages" "$data/metainfo" "$HOME/.local/bin"
sed -e "s|^Exec=easel|Exec=\"$base/easel\"|" -e "s|^TryExec=.*|TryExec=$base/easel|" \
    "$here/app.easel.Easel.desktop" > "$data/applications/app.easel.Easel.desktop"
cp "$here/easel.svg" "$data/icons/hicolor/scalable/apps/app.easel.Easel.svg"
cp "$here/easel.png" "$data/icons/hicolor/256x256/apps/app.easel.Easel.png"
cp "$here/app.easel.Easel.mime.xml" "$data/mime/packages/app.easel.Easel.xml"
cp "$here/app.easel.Easel.metainfo.xml" "$data/metainfo/app.easel.Easel.metainfo.xml"
if [ ! -e "$HOME/.local/bin/easel" ] || [ -L "$HOME/.local/bin/easel" ]; then
    ln -sf "$base/easel" "$HOME/.local/bin/easel"
fi
for update in "update-desktop-database -q $data/applications" "update-mime-database $data/mime"; do
    if command -v "${update%% *}" >/dev/null; then $update >/dev/null 2>&1 || true; fi
done

echo "Easel $version is in your menu; the command is $base/easel. To remove it: $base/uninstall"
if [ "$start" = yes ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    setsid "$base/easel" >/dev/null 2>&1 < /dev/null &
fi
