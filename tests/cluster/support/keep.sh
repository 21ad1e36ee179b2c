# Usage: sh -c "$(cat keep.sh)" keep FOLDER COMMAND [ARGUMENT]...
#
# Prints the process id of COMMAND, waits for its end and passes its exit code on. Standard input is a pipe that the
# test process holds and never writes to. It ends with the test process, however that ends; COMMAND is killed then, and
# FOLDER removed. An empty FOLDER removes nothing.
folder=$1
shift

exec 3<&0
"$@" </dev/null >&2 3<&- &
command=$!
echo "$command"
# What the command prints is its own: the shell says nothing of how it ended.
exec 2>/dev/null

(
    read -r nothing <&3
    # From here on the killing is not called off: COMMAND has not ended by itself.
    trap '' TERM
    kill -KILL "$command"
    exit 0
) &
watch=$!

wait "$command"
code=$?
kill -TERM "$watch"
wait "$watch" && [ -n "$folder" ] && rm -rf "$folder"
exit "$code"
