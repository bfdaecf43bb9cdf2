# What is measured, in bash.
set -euo pipefail

hello() { jq -c '{message: "Hello, \(.name)!"}'; }

echoed() { cat; }

pi() {
    [[ $1 =~ \"number\":\ *([0-9]+) ]]
    digits "${BASH_REMATCH[1]}"
    printf '{"message": "%s"}' "$REPLY"
}

digits() {
    local count=$1 block=1000000000 size i carry held=0 text='' piece terms=()
    size=$(((count / 9 + 2) * 30))
    for ((i = 0; i <= size; i++)); do terms[i]=$((block / 5)); done
    while ((${#text} <= count)); do
        for ((carry = 0, i = size; i > 0; i--)); do
            ((carry = carry * i + terms[i] * block, terms[i] = carry % (2 * i - 1), carry /= 2 * i - 1, 1))
        done
        printf -v piece %09d $((held + carry / block))
        text+=$piece held=$((carry % block)) size=$((size - 30))
    done
    REPLY=${text:0:1}.${text:1:count}
}
