/* The process that holds the namespaces of a pod: it waits for the request to end. It has no children to reap, as
 * pods of the tests do not share their process namespace. */
#include <signal.h>

int main(void) {
    sigset_t end;
    int received;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    sigprocmask(SIG_BLOCK, &end, 0);
    return sigwait(&end, &received);
}
