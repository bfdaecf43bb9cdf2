# What the tests have a bash handler do: the event's `do` says it, any other event is echoed.
set -euo pipefail
IFS=$'\n\t'

handler() {
    [[ $1 =~ ^\{\"do\":\ ?\"([a-z_]+)\" ]] || {
        cat
        return
    }
    "do_${BASH_REMATCH[1]}" "$1"
}

do_raise() { lambda_fail OrderNotFound 'no order "17" ü'; }
do_clean() {
    local file
    file=$(mktemp)
    trap 'rm -f "$file"; echo cleaned up' EXIT
    lambda_fail Cleaned 'and told'
}
do_large() { lambda_fail Large "$(head -c 7000000 /dev/zero | tr '\0' x)"; }
do_garbled() { lambda_fail Garbled $'a\x7fb'; }
do_fail() { deeper; }
deeper() { ls /nonexistent; }
do_exit() { exit 3; }
do_crash() { kill -9 $BASHPID; }
do_sleep() { sleep 60; }
do_length() { echo "${#1}"; }
do_big() { head -c 7000000 /dev/zero | tr '\0' x; }
do_unset() { echo "$nothing_of_that_name"; }
do_status() { return 5; }
do_background() { sleep 0.1 >/dev/null & echo '"left one"'; }
do_partial() {
    echo half an answer
    false
}

do_context() {
    printf '{"id": "%s", "left": %s, "trace": "%s", "arn": "%s", "tenant": "%s", "client": %s}' \
        "$LAMBDA_REQUEST_ID" "$(lambda_remaining_ms)" "${_X_AMZN_TRACE_ID-none}" \
        "$LAMBDA_FUNCTION_ARN" "$LAMBDA_TENANT_ID" "${LAMBDA_CLIENT_CONTEXT:-null}"
}

do_usage() {
    local rss files open
    shopt -s nullglob dotglob
    rss=$(awk '/VmRSS/ { print $2 }' "/proc/$$/status")
    files=(/tmp/*) open=(/proc/$$/fd/*)
    printf '{"rss": %s, "files": %s, "open": %s}' "$rss" "${#files[@]}" "${#open[@]}"
}

do_log() {
    lambda_log info 'an info line'
    lambda_log debug 'a debug line'
    echo null
}
