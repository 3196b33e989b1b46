# Managed by dlrig; a change made here is undone by its next run.
#
#   dlrig_activate tensorflow     use an environment in this shell; 'deactivate' or 'conda deactivate' leaves it
#   dlrig_activate                list the environments
#
# Without it, e.g. in scripts and jobs: /opt/dlrig/envs/tensorflow/bin/python
# Read by every login shell, so it defines this function and does nothing else.
dlrig_activate() {
    if [ -r /etc/default/dlrig ]; then
        . /etc/default/dlrig
    fi
    _dlrig_envs="${DLRIG_PREFIX:-/opt/dlrig}/envs"
    _dlrig_conda="${DLRIG_PREFIX:-/opt/dlrig}/miniforge/etc/profile.d/conda.sh"
    if [ -z "${1:-}" ]; then
        ls "$_dlrig_envs"
    elif [ -r "$_dlrig_envs/$1/bin/activate" ]; then
        : "${OSTYPE:=}" # the script below asks for it, which under set -u must exist
        . "$_dlrig_envs/$1/bin/activate"
    elif [ -d "$_dlrig_envs/$1/conda-meta" ] && [ -r "$_dlrig_conda" ]; then
        . "$_dlrig_conda"
        conda activate "$_dlrig_envs/$1"
    else
        echo "dlrig_activate: no environment $1 in $_dlrig_envs" >&2
        return 1
    fi
}
