#!/usr/bin/env bash
# Install Elephant's agent into an image that has a DCV server: Amazon Linux 2023, Ubuntu 24.04, Debian 12.
# Can be run again, to upgrade or to change a value. These variables of its environment have the
# desktop's values; what is not given stays as it is in /etc/elephant/desktop.conf:
#
#   CERTIFICATE_SECRET   name or ARN of the secret with dcv.pem and dcv.key; empty: you install your own
#   SIGN_IN              dcv: people get in with their link (default); none: you configure DCV's log-in
#   DCV_PORT             8443
#   IDLE_MINUTES         0; otherwise shut down when nobody has been connected for so long
#   SESSION_TYPE         virtual (default) or console
#   HOOK_SECONDS         600; how long one hook may take
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly NAMES=(CERTIFICATE_SECRET SIGN_IN DCV_PORT IDLE_MINUTES SESSION_TYPE HOOK_SECONDS)
readonly CONFIG=/etc/elephant

fail() {
	printf 'elephant: %s\n' "$*" >&2
	exit 1
}

# check NAME PATTERN: stop if a value that was given has another form.
check() {
	[ ! -v "$1" ] || [[ ${!1} =~ ^($2)$ ]] || fail "$1 is '${!1}', but must be $2"
}

check_values() {
	check SIGN_IN 'dcv|none'
	check SESSION_TYPE 'virtual|console'
	check DCV_PORT '[0-9]+'
	check IDLE_MINUTES '[0-9]+'
	check HOOK_SECONDS '[0-9]+'
}

install_packages() {
	local missing=()
	command -v curl >/dev/null || missing+=(curl)
	command -v jq >/dev/null || missing+=(jq)
	command -v awk >/dev/null || missing+=(gawk)
	[ -x /usr/sbin/nft ] || missing+=(nftables)
	[ "${#missing[@]}" = 0 ] && return
	if command -v dnf >/dev/null; then
		dnf install -y -q "${missing[@]/%curl/curl-minimal}"
	elif command -v apt-get >/dev/null; then
		missing+=(ca-certificates)
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
	else
		fail "neither dnf nor apt-get is here; install ${missing[*]} and run this again"
	fi
}

# The agent signs its requests with curl, and reads headers of the answers.
check_curl() {
	local version
	version=$(curl --version | awk 'NR == 1 { print $2 }')
	if ! curl --help all | grep -q -e --aws-sigv4 || ! printf '7.84.0\n%s\n' "$version" | sort -CV; then
		fail "curl $version is too old; 7.84 or later with --aws-sigv4 is needed"
	fi
}

make_user() {
	id elephant >/dev/null 2>&1 || useradd --create-home --shell /bin/bash elephant
}

install_files() {
	install -d "$CONFIG/start.d" "$CONFIG/finish.d"
	install -m 755 elephant-desktop /usr/local/bin/elephant-desktop
	install -m 644 elephant-desktop.service /etc/systemd/system/elephant-desktop.service
	install -m 644 metadata.nft "$CONFIG/metadata.nft"
	install -m 755 start.d/10-room "$CONFIG/start.d/10-room"
}

# A screen that locks would ask for a password that nobody has.
unlock_screens() {
	if ! command -v dconf >/dev/null; then
		return
	fi
	install -d /etc/dconf/db/local.d /etc/dconf/profile
	printf '%s\n' '[org/gnome/desktop/screensaver]' 'lock-enabled=false' \
		'[org/gnome/desktop/lockdown]' 'disable-lock-screen=true' \
		'[org/gnome/desktop/session]' 'idle-delay=uint32 0' >/etc/dconf/db/local.d/50-elephant
	[ -e /etc/dconf/profile/user ] ||
		printf '%s\n' user-db:user system-db:local >/etc/dconf/profile/user
	dconf update
}

# Write down the values: those given now, else those of the last time.
write_config() {
	local name
	local -A given=()
	for name in "${NAMES[@]}"; do
		if [ -v "$name" ]; then
			given[$name]=${!name}
		fi
	done
	if [ -e "$CONFIG/desktop.conf" ]; then
		# shellcheck source=/dev/null
		. "$CONFIG/desktop.conf"
	fi
	for name in "${NAMES[@]}"; do
		if [ -v "given[$name]" ]; then
			printf '%s=%q\n' "$name" "${given[$name]}"
		elif [ -v "$name" ]; then
			printf '%s=%q\n' "$name" "${!name}"
		fi
	done >"$CONFIG/desktop.conf.new"
	mv "$CONFIG/desktop.conf.new" "$CONFIG/desktop.conf"
}

main() {
	[ "$(id -u)" = 0 ] || fail "run this as root"
	check_values
	install_packages
	check_curl
	make_user
	install_files
	unlock_screens
	write_config
	systemctl enable elephant-desktop.service
	echo "elephant: the agent is installed, and starts when a desktop boots"
	if ! command -v dcv >/dev/null; then
		echo "elephant: WARNING: there is no DCV server in this image, and this does not install one;" \
			"until it has one, no desktop becomes healthy. See docs/desktops.md" >&2
	fi
}

main
