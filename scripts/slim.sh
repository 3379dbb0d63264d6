#!/bin/sh
# Takes out of an environment what no image needs at run time: slim.sh ENVIRONMENT [FILE...]
# Each FILE lists what one image does not need besides, by path below site-packages; tests/unit/images proves it.
set -eu
site=$(echo "$1"/lib/python3.*/site-packages)
shift

# Tests, and what only compilers and type checkers read.
find "$site" -type d \( -name tests -o -name include \) -prune -exec rm -r {} +
find "$site" -type f \( -name '*.pyi' -o -name '*.py[xd]' -o -name '*.pxi' -o -name '*.[ch]' -o -name '*.[ch]pp' -o -name '*.cc' \) -delete

# boto3 brings a description of each service of AWS.
for data in "$site/botocore/data" "$site/boto3/data"; do
  [ -d "$data" ] || continue
  find "$data" -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts -exec rm -r {} +
done

# Debug information. Libraries that auditwheel has rewritten have none, and would not stand being written again.
if command -v strip > /dev/null; then
  find "$site" -name '*.so' -type f | while read -r library; do
    if readelf --section-headers "$library" | grep -q debug_info; then strip --strip-unneeded "$library"; fi
  done
fi

for list in "$@"; do
  grep -v '^#' "$list" | while read -r path; do
    # shellcheck disable=SC2086  # patterns are meant to be expanded
    rm -r $site/$path
  done
done
