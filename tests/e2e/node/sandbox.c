/* What holds a pod's namespaces open. The container runtime ends it with SIGKILL. */
#include <unistd.h>

int main(void) {
    for (;;)
        pause();
}
