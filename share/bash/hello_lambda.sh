# Answers a payload, and handles the messages of a queue one by one.
set -euo pipefail

# Called for every event, which is on stdin and in $1: a payload of `invoke`, or a batch of
# messages from SQS. What it prints is the response.
handler() {
    if jq -e '.Records[0].eventSource? == "aws:sqs"' >/dev/null 2>&1 <<<"$1"; then
        handle_batch "$1"
        return
    fi
    local name
    name=$(jq -r 'if type == "object" then .name // "world" else . end')
    lambda_log info "greeting $name"
    jq -cn --arg name "$name" --arg id "$LAMBDA_REQUEST_ID" \
        '{message: "Hello, \($name)!", request_id: $id}'
}

# Handles each message; those that fail are named, and SQS delivers them again.
handle_batch() {
    local id body status failed=()
    while IFS=$'\t' read -r id body; do
        # Not as a condition, where bash would go on behind a command that fails, and with a stdin
        # of its own: this one has the other messages.
        set +e
        (
            set -e
            handle_message "$(base64 -d <<<"$body")"
        ) </dev/null >&2
        status=$?
        set -e
        ((status == 0)) || failed+=("$id")
    done < <(jq -r '.Records[] | [.messageId, (.body | @base64)] | @tsv' <<<"$1")
    jq -cn '{batchItemFailures: [$ARGS.positional[] | {itemIdentifier: .}]}' \
        --args -- "${failed[@]}"
}

# Handles the text of one message. A command that fails, or any status but 0, has it delivered again.
# What it prints is in the log.
handle_message() {
    lambda_log info "message: $1"
}
