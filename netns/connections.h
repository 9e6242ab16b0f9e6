// What a container's end leaves in its network namespace: TCP connections whose last data or
// farewell nobody has acknowledged. They keep the namespace, and with it the link, for minutes
// (tcp(7): tcp_orphan_retries) once the link leads nowhere; where the network stays they go on
// sending from an address that the container's successor has.
#pragma once

namespace pcompose::netns {

// Ends them in the calling thread's namespace, as a reset to each peer (sock_diag(7),
// SOCK_DESTROY). No process may be in it any more. False where the kernel cannot
// (CONFIG_INET_DIAG_DESTROY) and there were some. About 30 us where there are none. Throws Error.
bool end_connections();

}  // namespace pcompose::netns
