# What up, down and logs share. They have sourced nothing else before; $here is their folder.

root=$(cd "$here/../.." && pwd)
# Folder of configurations, state, logs and process numbers.
dir=${LOCAL_DIR:-$root/.local}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
program=${PROGRAM:-$root/target/debug/cityunion}
scheme=${SCHEME:-$dir/scheme}
# shellcheck source=ports.env
source "$here/ports.env"
read -r -a cities <<<"$CITIES"
read -r -a issuer_ports <<<"$ISSUER_PORTS"
read -r -a ingest_ports <<<"$INGEST_PORTS"
read -r -a adapter_admin_ports <<<"$ADAPTER_ADMIN_PORTS"

fail() {
    echo "$1" >&2
    exit 1
}

# The process of a part; empty if it does not run. A number that another program has got since does not count:
# the command line of a part names this folder.
process_of() {
    local pid command
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 0
    # The error of a file that is not there goes where standard error goes by then.
    command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 0
    [[ $command != *"$dir/"* ]] || echo "$pid"
}

# Whether a process has not ended, nor waits to be buried.
alive() {
    [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == [^Z]* ]]
}

# The ports of a part, each with the variable that states it.
ports_of() {
    local at
    case $1 in
        kafka) echo "$KAFKA_PORT KAFKA_PORT $KAFKA_CONTROLLER_PORT KAFKA_CONTROLLER_PORT" ;;
        clearing-node) echo "$CLEARING_NODE_ADMIN_PORT CLEARING_NODE_ADMIN_PORT" ;;
        switch) echo "$SWITCH_ADMIN_PORT SWITCH_ADMIN_PORT" ;;
        portal) echo "$PORTAL_PORT PORTAL_PORT $PORTAL_ADMIN_PORT PORTAL_ADMIN_PORT" ;;
        *)
            for at in "${!cities[@]}"; do
                [[ $1 != "adapter-${cities[at]}" ]] ||
                    echo "${issuer_ports[at]} ISSUER_PORTS ${ingest_ports[at]} INGEST_PORTS" \
                        "${adapter_admin_ports[at]} ADAPTER_ADMIN_PORTS"
            done
            ;;
    esac
}

# Whether there is a portal: a scheme folder of somebody's own may have no certificates for it.
has_portal() {
    [[ ! -e $scheme/rulebook.toml || -f $scheme/pki/tls/portal.pem ]]
}

# All parts, each after those that it needs.
parts() {
    echo kafka clearing-node
    printf 'adapter-%s\n' "${cities[@]}"
    echo switch
    ! has_portal || echo portal
}
