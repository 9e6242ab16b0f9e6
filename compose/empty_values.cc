#include "compose/empty_values.h"

#include "compose/canonical.h"
#include "compose/schema.h"

namespace pcompose::compose {
namespace {

// Those whose type in the schema names null.
bool may_be_empty(const Attribute& attribute) {
  return attribute.form == Form::command || attribute.form == Form::any ||
         attribute.name == "deploy" || attribute.name == "develop";
}

// A mapping whose keys are attributes, and not names that the user chose.
bool is_object(Form form) {
  return form == Form::object || form == Form::build || form == Form::logging;
}

class Refusal {
 public:
  explicit Refusal(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void object(Node& node, const Object& object, const std::string& path) {
    std::erase_if(node.entries, [&](Entry& entry) {
      const Attribute* attribute = object.find(entry.key);
      if (attribute == nullptr) return false;
      std::string at = below(path, entry.key);
      if (entry.value.is(Kind::null)) return refuse(entry, *attribute, at);
      if (attribute->object != nullptr) parts(entry.value, *attribute, at);
      return false;
    });
  }

 private:
  bool refuse(const Entry& entry, const Attribute& attribute, const std::string& path) {
    if (may_be_empty(attribute)) return false;
    diagnostics_.error(entry.value.origin, path, "has no value; give it one, or remove it");
    return true;
  }

  void parts(Node& node, const Attribute& attribute, const std::string& path) {
    if (!node.is(Kind::mapping)) return;
    if (is_object(attribute.form)) return object(node, *attribute.object, path);
    for (Entry& entry : node.entries)
      object(entry.value, *attribute.object, below(path, entry.key));
  }

  Diagnostics& diagnostics_;
};

}  // namespace

void refuse_empty_values(Node& root, Diagnostics& diagnostics) {
  Refusal(diagnostics).object(root, file_schema(), "");
}

}  // namespace pcompose::compose
