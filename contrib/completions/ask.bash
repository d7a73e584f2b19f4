# shellcheck shell=bash
# Completion of ask(1) for bash.
_ask() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    case $prev in
    --mode) words="auto extract write" ;;
    --type) words="markdown html text pdf" ;;
    --collection)
        # Of the daemon's collections, if one runs.
        local base=/tmp/askd-$UID sock
        [ -n "${XDG_RUNTIME_DIR-}" ] && base=$XDG_RUNTIME_DIR/askd
        sock=${ASKD_SOCKET:-$base/askd.sock}
        words=$(curl -s --max-time 1 --unix-socket "$sock" http://askd/v1/collections 2>/dev/null |
            jq -r '.collections[].name' 2>/dev/null)
        ;;
    --socket)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -k | --path | --after | --wait) return ;;
    *)
        case $cur in
        -*) words="-c -i -k --collection --path --after --type --mode --search --json --jsonl
                --socket --no-start --wait --interactive --follow-up --version --help" ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _ask ask
