#!/bin/sh
# Installs the system packages that tests use as peers, where the system is Debian's kind and we may; else says what is missing.
set -eu
for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="${missing:-} $package"
done
[ -n "${missing:-}" ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "not installed, and no apt-get here:$missing (tests that need them are skipped)" >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else
    echo "not installed:$missing; run: sudo apt-get install$missing (tests that need them are skipped)" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
echo "jackd2 jackd/tweak_rt_limits boolean false" | $as_root debconf-set-selections 2>/dev/null || true
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
