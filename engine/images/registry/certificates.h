// Certificates for one registry: containers-certs.d(5).
#pragma once

#include <string>
#include <vector>

#include "engine/images/registry/http.h"

namespace pcompose::engine {

// From DIRECTORY/<host>/ of the first directory that has it: *.crt are authorities, x.cert and
// x.key a client's certificate. All empty where there is none. Throws Error naming a file that
// cannot be read, and a certificate without its key.
TlsFiles read_certificates(const std::vector<std::string>& directories, const std::string& host);

}  // namespace pcompose::engine
