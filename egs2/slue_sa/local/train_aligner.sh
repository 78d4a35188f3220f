#!/usr/bin/env bash
# Train the aligner of a system with ../librispeech_wabert, if it is missing.
# Run from the recipe's folder; run.sh gives the options.
set -euo pipefail
. ./path.sh
. ../parse_options.sh

# Options
systems=              # the table of systems
system=               # a row
aligner=              # the file that is wanted: the aligner's checkpoint
expdir=               # experiments of ../librispeech_wabert
transcripts=          # formatted data folder for an aligner with more_data
aligner_opts=         # more options for ../librispeech_wabert/run.sh
ngpu=0                # GPUs
nj=1                  # processes for audio files
# End of options
parse_options "$@"
opts=$("${python}" -m espnet_wabert.bin.systems --table "${systems}" --system "${system}" \
    --aligner --transcripts "${transcripts}")
if [ -z "${opts}" ] || [ -f "${aligner}" ]; then exit 0; fi
mapfile -t opts <<< "${opts}"
echo "${system}: training its aligner, ${aligner}"
../librispeech_wabert/run.sh ${aligner_opts} --nj "${nj}" --ngpu "${ngpu}" --expdir "${expdir}" \
    --stop_stage 11 --results "" "${opts[@]}"
