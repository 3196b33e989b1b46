# Managed by dlrig; a change made here is undone by its next run.
# The programs of the default CUDA toolkit, such as nvcc. Its libraries are left to whoever links with them: an
# exported LD_LIBRARY_PATH would reach into every Python environment.
if [ -r /etc/default/dlrig-cuda ]; then
    . /etc/default/dlrig-cuda
fi
if [ -x "${DLRIG_CUDA:=/usr/local/cuda}/bin/nvcc" ]; then
    case ":$PATH:" in
        *":$DLRIG_CUDA/bin:"*) ;;
        *) PATH="$DLRIG_CUDA/bin:$PATH" ;;
    esac
fi
unset DLRIG_CUDA
