#!/usr/bin/env bash
# Builds the documentation site into target/book with mdBook. The pages are laid out as they are in the repository, so that every
# relative link holds there, too; a link to a file of the source becomes one to the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v mdbook >/dev/null; then
  echo "mdbook is not installed: cargo install mdbook --locked (0.4 or 0.5)" >&2
  exit 1
fi
stage=target/book-source
rm -rf "$stage"
mkdir -p "$stage/src"
cp docs/book.toml "$stage"
cp -r README.md ARCHITECTURE.md CONTRIBUTING.md LICENSE docs "$stage/src"
mkdir -p "$stage/src/demo"
cp demo/README.md "$stage/src/demo"
# the table of contents is written for the folder that it is in
sed -e 's#](\.\./#](@/#' -e 's#](\([^@]\)#](docs/\1#' -e 's#](@/#](#' docs/SUMMARY.md >"$stage/src/SUMMARY.md"
rm "$stage/src/docs/SUMMARY.md" "$stage/src/docs/book.toml"
# mdBook makes index.html of a README.md, but does not lead links there
find "$stage/src" -name README.md -execdir mv {} index.md \;
find "$stage/src" -name '*.md' -exec sed -i -e 's#\(](\([^)]*/\)\{0,1\}\)README\.md#\1index.md#g' {} +
mdbook build "$stage" --dest-dir "$PWD/target/book"
echo "target/book/index.html"
