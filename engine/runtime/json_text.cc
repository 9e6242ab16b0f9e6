#include "engine/runtime/json_text.h"

namespace pcompose::engine::runtime {
namespace {

void write(const json::value& value, size_t depth, std::string& out);

template <class Container, class Item>
void write_items(const Container& items, char open, char close, size_t depth, std::string& out,
                 Item item) {
  if (items.empty()) {
    out.push_back(open);
    out.push_back(close);
    return;
  }
  out.push_back(open);
  const char* separator = "\n";
  for (const auto& i : items) {
    out += separator;
    out.append(2 * (depth + 1), ' ');
    item(i);
    separator = ",\n";
  }
  out += '\n';
  out.append(2 * depth, ' ');
  out.push_back(close);
}

void write(const json::value& value, size_t depth, std::string& out) {
  if (const json::object* object = value.if_object(); object != nullptr) {
    write_items(*object, '{', '}', depth, out, [&](const json::key_value_pair& member) {
      out += json::serialize(json::value(member.key())) + ": ";
      write(member.value(), depth + 1, out);
    });
  } else if (const json::array* array = value.if_array(); array != nullptr) {
    write_items(*array, '[', ']', depth, out,
                [&](const json::value& item) { write(item, depth + 1, out); });
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string indented_json(const json::value& value) {
  std::string out;
  write(value, 0, out);
  out += '\n';
  return out;
}

}  // namespace pcompose::engine::runtime
