// What pcompose-unit and who looks for its work agree on.
#pragma once

namespace pcompose::unit {

// The group beneath the unit's in which our own processes live: one with children that have
// controllers may hold none itself (cgroup-v2.rst, "No Internal Process Constraint").
constexpr const char* kLeaf = "/keeper";

}  // namespace pcompose::unit
