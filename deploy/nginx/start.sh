#!/bin/sh
# Fills in nginx.conf.template from the environment, creates a certificate if there is none, and executes nginx.
set -eu
folder=$(dirname "$0")
RUN_DIR=${RUN_DIR:-/tmp/nginx}
CERTIFICATE_DIR=${CERTIFICATE_DIR:-/certificate}

HTTP_LISTEN=${HTTP_LISTEN:-8080}
HTTPS_LISTEN=${HTTPS_LISTEN:-8443}
API_SERVERS=${API_SERVERS:-"api:5000 resolve"} # separated by commas; `resolve` follows the name when replicas change
RESOLVER=${RESOLVER:-127.0.0.11}               # Docker's resolver
TRUSTED_PROXIES=${TRUSTED_PROXIES:-}           # addresses or networks of load balancers in front, separated by spaces

# Limits per address; a reverse proxy or an office with many people is one address.
RATE_PER_S=${RATE_PER_S:-2000}
BURST=${BURST:-4000}
CONNECTIONS=${CONNECTIONS:-512}

# The API's settings, under their names, in whole seconds.
MAX_IMAGE_BYTES=${MAX_IMAGE_BYTES:-16777216}
MAX_UPLOAD_BYTES=${MAX_UPLOAD_BYTES:-1073741824}
HEAD_TIMEOUT_S=${HEAD_TIMEOUT_S:-10}
BODY_TIMEOUT_S=${BODY_TIMEOUT_S:-30}
MAX_WAIT_S=${MAX_WAIT_S:-60}
UPLOAD_STALL_S=${UPLOAD_STALL_S:-30}
READ_TIMEOUT_S=$((MAX_WAIT_S + 30))
SEND_TIMEOUT_S=$((UPLOAD_STALL_S + 30))

if [ ! -e "$CERTIFICATE_DIR/tls.crt" ]; then
    echo "proxy: no $CERTIFICATE_DIR/tls.crt: making one that no browser trusts" >&2
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 825 \
        -subj "/CN=mnistified" -addext "subjectAltName=DNS:${SERVER_NAME:-localhost},DNS:localhost,IP:127.0.0.1" \
        -keyout "$CERTIFICATE_DIR/tls.key" -out "$CERTIFICATE_DIR/tls.crt" 2>/dev/null
fi

mkdir -p "$RUN_DIR"

# behind PATH ADDRESS PASSWORD: another program under PATH, if it has a password.
behind() {
    if [ -n "$3" ]; then
        echo "location /$1/ { set \$$1 $2; proxy_pass http://\$$1; }"
    fi
}
{
    behind flower "${FLOWER_SERVER:-flower:5555}" "${FLOWER_GUARDED:-}"
    behind grafana "${GRAFANA_SERVER:-grafana:3000}" "${GRAFANA_GUARDED:-}"
} >"$RUN_DIR/behind.conf"

servers=$(echo "$API_SERVERS" | tr ',' '\n' | sed 's/.*/server & max_fails=3 fail_timeout=2s;/' | tr '\n' ' ')
trusted=$(for network in $TRUSTED_PROXIES; do printf 'set_real_ip_from %s; ' "$network"; done)
fill() { printf 's|@%s@|%s|g\n' "$1" "$2"; }
{
    fill API_SERVERS "$servers"
    fill TRUSTED_PROXIES "$trusted"
    for name in RUN_DIR CERTIFICATE_DIR HTTP_LISTEN HTTPS_LISTEN RESOLVER RATE_PER_S BURST CONNECTIONS MAX_IMAGE_BYTES \
        MAX_UPLOAD_BYTES HEAD_TIMEOUT_S BODY_TIMEOUT_S READ_TIMEOUT_S SEND_TIMEOUT_S; do
        eval "fill $name \"\$$name\""
    done
} >"$RUN_DIR/fill.sed"
sed -f "$RUN_DIR/fill.sed" "$folder/nginx.conf.template" >"$RUN_DIR/nginx.conf"
exec nginx -c "$RUN_DIR/nginx.conf" "$@"
