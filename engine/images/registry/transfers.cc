#include "engine/images/registry/transfers.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "engine/images/registry/loopback.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxBody = 8U << 20U;  // of an answer that no receiver takes
constexpr size_t kMaxHeaders = 256U << 10U;
constexpr long kBuffer = 512L << 10;  // what one recv(2) may bring
constexpr long kRedirects = 10;

void check(CURLcode code) {
  if (code != CURLE_OK) throw Error(std::string("curl: ") + ::curl_easy_strerror(code));
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  check(::curl_easy_setopt(easy, option, value));
}

void set_blob(CURL* easy, CURLoption option, const std::string& pem) {
  if (pem.empty()) return;
  curl_blob blob{const_cast<char*>(pem.data()), pem.size(), CURL_BLOB_NOCOPY};
  set(easy, option, &blob);
}

// Of a request that carries a body.
const char* verb_of(Method method) {
  switch (method) {
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::remove:
      return "DELETE";
    case Method::get:
    case Method::head:
      break;
  }
  return nullptr;
}

}  // namespace

// One easy handle and what its callbacks fill.
struct Transfers::Exchange {
  struct FreeEasy {
    void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
  };

  Exchange(CURLM* m, const asio::any_io_executor& executor)
      : multi(m), easy(::curl_easy_init()), done(executor) {
    if (!easy) throw Error("curl does not start");
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    if (added) ::curl_multi_remove_handle(multi, easy.get());
  }

  static size_t on_header(char* data, size_t size, size_t count, void* self);
  static size_t on_body(char* data, size_t size, size_t count, void* self);
  bool add_header(std::string_view line);
  size_t add_body(std::string_view piece);

  CURLM* multi;
  std::unique_ptr<curl_slist, FreeList> headers;
  std::unique_ptr<CURL, FreeEasy> easy;
  bool added = false;
  Receiver* receiver = nullptr;
  HttpResult result;
  size_t header_bytes = 0;
  char error[CURL_ERROR_SIZE] = {};
  Event done;
};

struct Transfers::Socket {
  Socket(const asio::any_io_executor& executor, curl_socket_t fd) : descriptor(executor, fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { descriptor.release(); }  // it is curl's
  asio::posix::stream_descriptor descriptor;
  int wanted = 0;   // CURL_POLL_IN | CURL_POLL_OUT
  int waiting = 0;  // the same: what a wait is under way for
};

bool Transfers::Exchange::add_header(std::string_view line) {
  header_bytes += line.size();
  if (header_bytes > kMaxHeaders) return false;
  if (line.starts_with("HTTP/")) {  // a redirect's, or the proxy's, came before
    result.head = {};
    ::curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &result.head.status);
    return true;
  }
  size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  std::string& known = result.head.headers[name];
  known += known.empty() ? std::string(value) : ", " + std::string(value);
  return true;
}

size_t Transfers::Exchange::on_header(char* data, size_t size, size_t count, void* self) {
  auto* exchange = static_cast<Exchange*>(self);
  return exchange->add_header({data, size * count}) ? size * count : 0;
}

size_t Transfers::Exchange::add_body(std::string_view piece) {
  long status = result.head.status;
  if (receiver != nullptr && status >= 200 && status < 300) {
    switch (receiver->take(result.head, piece)) {
      case Receiver::Take::taken:
        return piece.size();
      case Receiver::Take::later:
        return CURL_WRITEFUNC_PAUSE;
      case Receiver::Take::stop:
        return 0;
    }
  }
  if (result.body.size() + piece.size() > kMaxBody) return 0;
  result.body += piece;
  return piece.size();
}

size_t Transfers::Exchange::on_body(char* data, size_t size, size_t count, void* self) {
  try {
    return static_cast<Exchange*>(self)->add_body({data, size * count});
  } catch (...) {
    return 0;  // exceptions cannot pass through C
  }
}

Transfers::Transfers(asio::any_io_executor executor, Proxies proxies)
    : executor_(executor), timer_(executor), proxies_(std::move(proxies)) {
  if (::curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Error("curl does not start");
  multi_.reset(::curl_multi_init());
  if (!multi_) throw Error("curl does not start");
  ::curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, &Transfers::on_socket);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, &Transfers::on_timer);
  ::curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
}

Transfers::~Transfers() {
  multi_.reset();  // calls on_socket for connections that it kept
  timer_.cancel();
}

int Transfers::on_socket(CURL* /*easy*/, curl_socket_t fd, int what, void* self, void* /*known*/) {
  auto* transfers = static_cast<Transfers*>(self);
  if (what == CURL_POLL_REMOVE) {
    transfers->sockets_.erase(fd);
    return 0;
  }
  auto& socket = transfers->sockets_[fd];
  if (!socket) socket = std::make_shared<Socket>(transfers->executor_, fd);
  socket->wanted = what;
  transfers->watch(socket, CURL_POLL_IN);
  transfers->watch(socket, CURL_POLL_OUT);
  return 0;
}

// Waits for one direction while curl wants it. A wait that is under way holds the socket by a weak
// reference: curl may take it away at any time.
void Transfers::watch(const std::shared_ptr<Socket>& socket, int direction) {
  if ((socket->wanted & direction) == 0 || (socket->waiting & direction) != 0) return;
  socket->waiting |= direction;
  bool in = direction == CURL_POLL_IN;
  socket->descriptor.async_wait(
      in ? asio::posix::stream_descriptor::wait_read : asio::posix::stream_descriptor::wait_write,
      [this, direction, in, weak = std::weak_ptr(socket)](const boost::system::error_code& error) {
        auto held = weak.lock();
        if (!held || error == asio::error::operation_aborted) return;
        held->waiting &= ~direction;
        if ((held->wanted & direction) == 0) return;
        int events = in ? CURL_CSELECT_IN : CURL_CSELECT_OUT;
        if (error) events = CURL_CSELECT_ERR;
        curl_socket_t fd = held->descriptor.native_handle();
        held.reset();
        act(fd, events);
        auto still = sockets_.find(fd);
        if (still != sockets_.end()) watch(still->second, direction);
      });
}

int Transfers::on_timer(CURLM* /*multi*/, long milliseconds, void* self) {
  auto* transfers = static_cast<Transfers*>(self);
  transfers->timer_.cancel();
  if (milliseconds < 0) return 0;
  transfers->timer_.expires_after(std::chrono::milliseconds(milliseconds));
  transfers->timer_.async_wait([transfers](const boost::system::error_code& error) {
    if (!error) transfers->act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

void Transfers::act(curl_socket_t fd, int events) {
  int running = 0;
  ::curl_multi_socket_action(multi_.get(), fd, events, &running);
  collect();
}

void Transfers::collect() {
  int left = 0;
  while (CURLMsg* message = ::curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    char* data = nullptr;
    ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data);
    auto* exchange = reinterpret_cast<Exchange*>(data);
    exchange->result.code = message->data.result;
    exchange->result.error =
        exchange->error[0] != '\0' ? exchange->error : ::curl_easy_strerror(message->data.result);
    add_route(*exchange);
    exchange->done.set();
  }
}

// Who was talked to, for the words of an error.
void Transfers::add_route(Exchange& exchange) const {
  CURL* easy = exchange.easy.get();
  char* url = nullptr;
  ::curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
  if (url == nullptr) return;
  exchange.result.host = url_host(url);
  bool secure = std::string_view(url).starts_with("https:");
  const std::string& proxy = secure ? proxies_.https : proxies_.http;
  if (proxy.empty() || is_loopback_url(url)) return;
  ProxyUse& use = exchange.result.proxy;
  use.address = without_password(proxy);
  use.variable = secure ? proxies_.https_from : proxies_.http_from;
  ::curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &use.status);
}

void Transfers::configure(Exchange& exchange, const HttpRequest& request) const {
  CURL* easy = exchange.easy.get();
  curl_slist* list = nullptr;
  for (const std::string& header : request.headers)
    list = ::curl_slist_append(list, header.c_str());
  if (!request.authorization.empty())
    list = ::curl_slist_append(list, ("Authorization: " + request.authorization).c_str());
  exchange.headers.reset(list);
  set(easy, CURLOPT_HTTPHEADER, list);
  set(easy, CURLOPT_URL, request.url.c_str());
  set(easy, CURLOPT_USERAGENT, "pcompose");
  set(easy, CURLOPT_PRIVATE, &exchange);
  set(easy, CURLOPT_ERRORBUFFER, exchange.error);
  set(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  set(easy, CURLOPT_HEADERDATA, &exchange);
  set(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(easy, CURLOPT_WRITEDATA, &exchange);
  set(easy, CURLOPT_BUFFERSIZE, kBuffer);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(patience_.connect.count()));
  // It does not count while we are the slow ones: a transfer that we paused has no speed.
  set(easy, CURLOPT_LOW_SPEED_LIMIT, Patience::kTrickle);
  set(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience_.silence.count()));
  // Parallel connections carry more than streams of one, and a paused stream stops no other.
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_FOLLOWLOCATION, 1L);
  set(easy, CURLOPT_MAXREDIRS, kRedirects);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  // What came by TLS does not go on without it.
  set(easy, CURLOPT_REDIR_PROTOCOLS_STR,
      request.url.starts_with("https:") ? "https" : "http,https");
  if (request.method == Method::head) set(easy, CURLOPT_NOBODY, 1L);
  if (const char* verb = verb_of(request.method); verb != nullptr) {
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(easy, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
    set(easy, CURLOPT_CUSTOMREQUEST, verb);
  }
  if (request.from > 0) set(easy, CURLOPT_RANGE, (std::to_string(request.from) + "-").c_str());
  bool direct = is_loopback_url(request.url);
  set(easy, CURLOPT_NOPROXY, direct ? "*" : proxies_.none.c_str());
  const std::string& proxy = request.url.starts_with("https:") ? proxies_.https : proxies_.http;
  set(easy, CURLOPT_PROXY, direct ? "" : proxy.c_str());
  if (!request.verify) {
    set(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    set(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (request.files == nullptr) return;
  set_blob(easy, CURLOPT_CAINFO_BLOB, request.files->authorities);
  set_blob(easy, CURLOPT_SSLCERT_BLOB, request.files->certificate);
  set_blob(easy, CURLOPT_SSLKEY_BLOB, request.files->key);
}

Task<HttpResult> Transfers::perform(const HttpRequest& request, Receiver* receiver) {
  auto exchange = std::make_unique<Exchange>(multi_.get(), executor_);
  exchange->receiver = receiver;
  configure(*exchange, request);
  bool over = false;
  auto ended = std::make_shared<bool*>(&over);
  struct EndResume {
    std::shared_ptr<bool*> flag;
    ~EndResume() { *flag = nullptr; }
  } end_resume{ended};
  if (receiver != nullptr) {
    receiver->resume = [this, easy = exchange->easy.get(), ended] {
      if (*ended == nullptr) return;
      ::curl_easy_pause(easy, CURLPAUSE_CONT);
      collect();
    };
  }
  if (::curl_multi_add_handle(multi_.get(), exchange->easy.get()) != CURLM_OK)
    throw Error("curl does not start");
  exchange->added = true;
  co_await exchange->done.wait();
  co_return std::move(exchange->result);
}

}  // namespace pcompose::engine
