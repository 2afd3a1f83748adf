#!/bin/bash
# Scans each file that is written or moved below the watched directories, as soon as it is closed, with yara's own tool;
# each match is one line on stdout.
# RULES: globs of rule files. ANY_NAME=yes: rules look at files of every name, not only at those that their
# `path_include` names. DIRECTORIES: what is watched.
set -eu
# Told to end, it tells all that it started.
trap 'trap - TERM; kill 0; exit 0' TERM
mkdir -p /run/yara
# Rules that name include files are compiled from their own folder.
cd /usr/share/yara/guarddog
# shellcheck disable=SC2086 # a list of globs
for file in $RULES; do echo "include \"$file\""; done > all.yar
yarac -w all.yar /run/yara/compiled
# shellcheck disable=SC2086 # a list of directories
mkdir -p $DIRECTORIES

fits() {  # match, file: does the file have one of the names that the rule is for?
    [ "${ANY_NAME:-}" != yes ] || return 0
    [[ $1 =~ path_include=\"([^\"]*)\" ]] || return 0
    local glob globs
    IFS=, read -r -a globs <<< "${BASH_REMATCH[1]}"
    for glob in "${globs[@]}"; do
        # shellcheck disable=SC2053 # a glob on purpose
        [[ ${2##*/} != $glob ]] || return 0
    done
    return 1
}

# shellcheck disable=SC2086
inotifywait --monitor --recursive --event close_write --event moved_to --format '%w%f' $DIRECTORIES 2> /run/yara/log \
    | while IFS= read -r file; do
        [ -f "$file" ] || continue
        while IFS= read -r match; do
            ! fits "$match" "$file" || printf '%s\n' "$match"
        done < <(yara -C -w -m -p 1 -z 20971520 /run/yara/compiled "$file" 2> /dev/null)
    done &
wait $!
