#!/bin/sh
# From /etc/config/remit-agent to the agent's TOML, on stdout. Sourced by the init script after
# /lib/functions.sh; what UCI leaves out is left out, so that the agent's own defaults hold, and what is wrong is
# said by `remit-agent run --check-config`.

# A TOML string: what may stand between double quotes.
remit_string() {
	printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# KEY: as a string, if the option OPTION of the section is set.
remit_text() {
	local value
	config_get value "$1" "$2"
	[ -z "$value" ] || printf '%s = %s\n' "$3" "$(remit_string "$value")"
}

# KEY: as a number. A word that is none would be no TOML: it is quoted, and the agent names it.
remit_number() {
	local value
	config_get value "$1" "$2"
	case "$value" in
	'') ;;
	*[!0-9]*) printf '%s = %s\n' "$3" "$(remit_string "$value")" ;;
	*) printf '%s = %s\n' "$3" "$value" ;;
	esac
}

# KEY: as a boolean, of what UCI takes for one.
remit_boolean() {
	local value
	config_get value "$1" "$2"
	[ -n "$value" ] || return 0
	config_get_bool value "$1" "$2"
	case "$value" in
	1) printf '%s = true\n' "$3" ;;
	*) printf '%s = false\n' "$3" ;;
	esac
}

remit_item_text() {
	printf '%s%s' "$remit_separator" "$(remit_string "$1")"
	remit_separator=', '
}

remit_item_number() {
	case "$1" in
	*[!0-9]*) remit_item_text "$1" ;;
	*) printf '%s%s' "$remit_separator" "$1" ;;
	esac
	remit_separator=', '
}

# KEY: a list of the section's LIST, each written by FUNCTION.
remit_list() {
	local length
	config_get length "$1" "$2_LENGTH"
	[ -n "$length" ] || return 0
	remit_separator=''
	printf '%s = [' "$3"
	config_list_foreach "$1" "$2" "$4"
	printf ']\n'
}

# Whether the section is switched on.
remit_enabled() {
	local enabled
	config_get_bool enabled "$1" enabled "$2"
	[ "$enabled" = 1 ]
}

# After `config_load remit-agent`, once: a second one would append to lists.
remit_toml() {
	local more
	remit_text agent dir dir
	remit_number agent lines_served lines_served
	remit_number agent k k
	remit_number agent window_s window_s
	remit_boolean agent individual_actions individual_actions
	remit_text agent durability durability
	remit_number agent loss_bound_s loss_bound_s
	remit_text agent memory_dir memory_dir
	remit_number agent batch_interval_s batch_interval_s
	remit_number agent seal_interval_s seal_interval_s
	remit_number agent control_interval_s control_interval_s
	remit_number agent spool_bytes_max spool_bytes_max
	remit_list agent customer_prefix customer_prefixes remit_item_text
	remit_text agent basis_map basis_map
	remit_text agent default_actor default_actor
	remit_text agent metrics_listen metrics_listen
	remit_text agent user user
	remit_boolean agent confine_files confine_files
	remit_list agent read_also read_also remit_item_text
	printf '\n[collector]\n'
	remit_text agent collector url
	remit_list agent fallback_url fallback_urls remit_item_text
	remit_text agent tls_name tls_name
	if remit_enabled nftables 0; then
		printf '\n[sources.nftables]\n'
		remit_list nftables group groups remit_item_number
		remit_number nftables counters_interval_s counters_interval_s
	fi
	if remit_enabled dnsmasq 0; then
		printf '\n[sources.dnsmasq]\n'
		remit_text dnsmasq conf conf
	fi
	config_get more agent more
	if [ -n "$more" ]; then
		printf '\n'
		cat "$more"
	fi
}
