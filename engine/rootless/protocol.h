// What the holder and who starts it say to each other: a byte each on a stream socket.
#pragma once

namespace pcompose::rootless {

constexpr int kStarter = 3;  // the holder's descriptor

constexpr char kMapsWanted = 'u';      // holder: the user namespace exists; write uid_map, gid_map
constexpr char kMapsWritten = 'm';     // starter
constexpr char kNamespacesMade = 'n';  // holder: pasta may attach to it
constexpr char kGo = 'p';              // starter; with a pidfd of pasta where there is one
constexpr char kReady = 'r';           // holder: its socket listens

}  // namespace pcompose::rootless
