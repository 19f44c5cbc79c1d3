#!/bin/sh
# Fetch the real Llama 4 vocabulary, for tests: fetch_tokenizer.sh FOLDER
#
# Downloads the Python package llama-models with pip, takes tokenizer.model out
# of it, checks its SHA-256 and puts it into FOLDER. Does nothing if it is there.
set -eu

version=0.3.0
member=llama_models/llama4/tokenizer.model
want=d0bdbaf59b0762c8c807617e2d8ea51420eb1b1de266df2495be755c8e0ed6ed

if [ $# -ne 1 ]; then
	echo "usage: $0 FOLDER" >&2
	exit 2
fi
folder=$1
target=$folder/tokenizer.model

missing() {
	echo "fetch-tokenizer: $1 is missing; install it with" >&2
	echo "  apt-get install $2    or    dnf install $3    or    brew install $4" >&2
	exit 1
}
command -v python3 >/dev/null 2>&1 || missing python3 "python3 python3-pip" "python3 python3-pip" python

sha256() {
	python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"
}

if [ -f "$target" ] && [ "$(sha256 "$target")" = "$want" ]; then
	echo "fetch-tokenizer: $target is there"
	exit 0
fi
python3 -m pip --version >/dev/null 2>&1 || missing "pip of python3" python3-pip python3-pip python

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" "llama-models==$version"; then
	echo "fetch-tokenizer: pip could not download llama-models==$version; check the network and pip's index" >&2
	exit 1
fi
python3 -c '
import glob, sys, zipfile
work, member = sys.argv[1:]
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as z, open(work + "/tokenizer.model", "wb") as out:
    out.write(z.read(member))
' "$work" "$member"

got=$(sha256 "$work/tokenizer.model")
if [ "$got" != "$want" ]; then
	echo "fetch-tokenizer: $member of llama-models $version has SHA-256 $got, want $want" >&2
	exit 1
fi
mv "$work/tokenizer.model" "$target"
echo "fetch-tokenizer: $target"
