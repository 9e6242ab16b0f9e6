// Pulling images, as up, pull and image pull show it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/command.h"
#include "compose/graph.h"
#include "scheduler/images.h"

namespace pcompose::cli {

// What a pull or a push shows on stderr: in place on a terminal, else a line for each change.
class PullProgress final : public engine::PullListener {
 public:
  enum class Style { quiet, lines, terminal };
  enum class Direction { pull, push };
  PullProgress(Style style, std::vector<std::string> images, Direction direction = Direction::pull);
  static Style style_for(const Globals& globals);

  void layer(const std::string& digest, LayerState state, int64_t received, int64_t size) override;
  void image(const engine::ImageResult& result) override;

 private:
  struct Layer {
    LayerState state = LayerState::waiting;
    int64_t received = 0, size = 0;
    Instant began;
    double rate = 0;  // bytes a second
  };
  void print(const std::string& line);
  void redraw(bool at_once);
  [[nodiscard]] const char* moving() const;

  Style style_;
  Direction direction_;
  std::vector<std::string> images_;
  std::vector<std::string> order_;
  std::map<std::string, Layer> layers_;
  size_t drawn_ = 0;  // lines below which the cursor stands
  Instant redrawn_;
};

// The project with these services only, as compose::ServiceGraph::selection(). Throws Error for a
// name that is no service.
compose::Project select_services(const compose::Project& project,
                                 const std::vector<std::string>& names,
                                 compose::Dependencies dependencies);

// Pulls what the services of `project` need before containers are made. Throws ComposeError with
// the place of each image that cannot be had.
void provide_images(const Globals& globals, const Roots& roots, const compose::Project& project,
                    const std::string& policy, PullProgress::Style style);

}  // namespace pcompose::cli
