#!/bin/sh
# Prints the first of the Pythons with these names that runs; fails if none does.
# A name on PATH may be a shim of pyenv, which runs only in folders that have chosen its version.
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
