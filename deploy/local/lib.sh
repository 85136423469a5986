# What up, down and logs share. They have sourced nothing else before; $here is their folder.

root=$(cd "$here/../.." && pwd)
# Folder of configurations, state, logs and process numbers.
dir=${LOCAL_DIR:-$root/.local}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
program=${PROGRAM:-$root/target/debug/cityunion}
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
    command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 0
    [[ $command != *"$dir/"* ]] || echo "$pid"
}

# Whether a process has not ended, nor waits to be buried.
alive() {
    [[ $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) == [^Z]* ]]
}

# All parts, each after those that it needs.
parts() {
    echo kafka clearing-node
    printf 'adapter-%s\n' "${cities[@]}"
    echo switch
}
