#include "scheduler/attach_session.h"

#include "scheduler/attach_stream.h"
#include "scheduler/control_server.h"
#include "scheduler/request.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {
namespace {

using Socket = asio::local::stream_protocol::socket;
using Client = std::shared_ptr<AttachStream>;

// A client sends nothing more: what can be read is its end.
Task<> watch_client(Socket& socket, Client client) {
  char nothing = 0;
  co_await asio::async_read(socket, asio::buffer(&nothing, 1), asio::as_tuple(asio::use_awaitable));
  client->close();
}

Task<> start(Supervisor& supervisor, const std::string& target, const std::string& body,
             Client client) {
  try {
    json::value request = json::parse(body);
    const json::object& fields = request.as_object();
    client->rows = static_cast<uint16_t>(number(fields, "rows"));
    client->columns = static_cast<uint16_t>(number(fields, "columns"));
    client->owns_input = target == "/v1/run/attach";
    if (target == "/v1/attach") co_return supervisor.attach(fields, client);
    co_await supervisor.run_one_off(fields, *client, client);
  } catch (...) {
    auto error = std::current_exception();
    client->failed(result_of(error));
    if (is_cancellation(error)) throw;
  }
}

}  // namespace

Task<> serve_attached(Supervisor& supervisor, Socket& socket, const std::string& target,
                      const std::string& body) {
  auto executor = co_await asio::this_coro::executor;
  auto client = std::make_shared<AttachStream>(executor);
  TaskGroup command(executor), watch(executor);
  watch.spawn(watch_client(socket, client));
  command.spawn(start(supervisor, target, body, client));
  co_await client->send_to(socket);
  // A command goes on without its client.
  co_await command.join();
  watch.cancel();
  co_await watch.join();
}

}  // namespace pcompose::scheduler
