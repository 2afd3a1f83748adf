#!/bin/sh
# Enables collections of the hub copy in Debian's package: with everything that they need, as links, like the package.
# usage: enable.sh COLLECTION...   (author/name)
set -eu
hub=/var/lib/crowdsec/hub
link() {  # kind folder, author/name
    for item in "$hub/$1/$2.yaml" "$hub/$1"/*/"$2.yaml"; do
        [ -e "$item" ] || continue
        place=$(dirname "$(dirname "${item#"$hub/"}")")
        mkdir -p "/etc/crowdsec/$place"
        ln -sf "$item" "/etc/crowdsec/$place/$(basename "$item")"
    done
}
items() { sed -n "/^$2:/,/^[a-z]/s/^ *- *//p" "$1"; }
for collection in "$@"; do
    file=$hub/collections/$collection.yaml
    link collections "$collection"
    for name in $(items "$file" parsers); do link parsers "$name"; done
    for name in $(items "$file" scenarios); do link scenarios "$name"; done
    for name in $(items "$file" postoverflows); do link postoverflows "$name"; done
done
