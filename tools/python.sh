#!/bin/sh
# Prints the path of the first of these Pythons that can be run; fails if none can.
# A name on PATH may be a pyenv shim, which works only in folders that have chosen its version.
for name in "$@"; do
    if path=$(command -v "$name") && "$path" -c '' 2>/dev/null; then
        echo "$path"
        exit
    fi
    version=$(basename "$name")
    if path=$(pyenv prefix "${version#python}" 2>/dev/null)/bin/$name && [ -x "$path" ]; then
        echo "$path"
        exit
    fi
done
exit 1
