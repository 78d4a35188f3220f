# Options as in Kaldi's utils/parse_options.sh. Sourced by run.sh and by the scripts in local/.
#
# The options of a script are the variables between its lines "# Options" and "# End of options".
# Before it calls parse_options, a script may set
#   option_files    the scripts with such blocks; default: the script itself
#   path_options    options that name files or folders: relative ones are relative to `caller`
#   source_options  options that name a model: box, one on a hub, or a folder relative to `caller`
#   caller          the folder from which the user started the script

# In "${names[@]/#/${folder}}" Bash 5.2 replaces an & in the folder by what the pattern matches.
shopt -u patsub_replacement 2> /dev/null || true

die() {
    local message="$0: $*"
    echo "${message//[[:cntrl:]]/?}" >&2
    exit 1
}

option_files=("$0")
path_options=""
source_options=""
caller=${PWD}
declare -A option_types=()

options_block() { sed -n '/^# Options/,/^# End of options/p' "${option_files[@]}"; }

show_help() { options_block | grep -v '^# End of options'; }

# parse_options --name value ...: set the options. A mistake ends the script with one line.
parse_options() {
    local option_  # not the name of an option
    if [ "${#option_types[@]}" -eq 0 ]; then find_types; fi
    while [ $# -gt 0 ]; do
        case "$1" in
            --help|-h) show_help; exit 0 ;;
            --*) ;;
            *) die "unexpected argument '$1'; options are given as --name value, see --help" ;;
        esac
        option_=${1#--}
        option_=${option_//-/_}
        [[ "${option_}" =~ ^[a-z0-9_]+$ && -n "${option_types[${option_}]:-}" ]] ||
            die "unknown option $1; see --help"
        [ $# -ge 2 ] || die "option $1 needs a value"
        check_type "${option_types[${option_}]}" "$1" "$2"
        printf -v "${option_}" '%s' "$(from_here "${option_}" "$2")"
        if [ "${option_types[${option_}]}" = integer ]; then  # 08 is no octal number, and 010 is 10
            printf -v "${option_}" '%d' "$((10#$2))"
        fi
        shift 2
    done
}

# parse_known_options --name value ...: set this script's options; the others are `other_options`.
parse_known_options() {
    other_options=()
    find_types
    local option_
    while [ $# -gt 0 ]; do
        option_=${1#--}
        option_=${option_//-/_}
        if [[ "$1" != --?* || "$1" = --help || -n "${option_types[${option_}]:-}" || $# -lt 2 ]]; then
            parse_options "${@:1:2}"
        else
            other_options+=("$1" "$(from_here "${option_}" "$2")")
        fi
        shift $(($# > 1 ? 2 : 1))
    done
}

# The type of an option is that of its default.
find_types() {
    local option_
    for option_ in $(options_block | sed -nE 's/^([a-z0-9_]+)=.*/\1/p'); do
        case "${!option_}" in
            true|false) option_types[${option_}]=boolean ;;
            *[!0-9.]*|"") option_types[${option_}]=string ;;
            *.*) option_types[${option_}]=number ;;
            *) option_types[${option_}]=integer ;;
        esac
    done
}

check_type() {  # TYPE OPTION VALUE
    [[ "$3" != *[[:cntrl:]]* ]] || die "option $2: its value has a line break or a control character"
    case "$1" in
        boolean) [[ "$3" =~ ^(true|false)$ ]] || die "option $2 $3: neither true nor false" ;;
        integer) [[ "$3" =~ ^[0-9]{1,15}$ ]] || die "option $2 $3: not an integer" ;;
        number) [[ "$3" =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "option $2 $3: not a number" ;;
    esac
}

# from_here NAME VALUE: print the value; a path that is relative to `caller` as seen from here.
from_here() {
    if [[ "${caller}" = "${PWD}" || "$2" = /* || -z "$2" ]]; then
        printf '%s\n' "$2"
    elif [[ " ${path_options} " = *" $1 "* ]] ||
        [[ " ${source_options} " = *" $1 "* && "$2" != box && -e "${caller}/$2" ]]; then
        realpath -sm --relative-to=. "$(realpath -m "${caller}")/$2"  # its .. are not those of a link
    else
        printf '%s\n' "$2"
    fi
}
