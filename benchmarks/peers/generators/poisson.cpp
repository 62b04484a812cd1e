// Open-loop HTTP/1.1 load with Poisson arrivals, for requests that do not wait for one another.
//
//   poisson PORT PATH BODY_FILE RATE SECONDS [HEADER ...]
//
// A latency is counted from the moment when the request was due, so that a server which stalls can't hide it ("coordinated
// omission"). One thread, which never sleeps: give it a core of its own. Prints one line of JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kFirstConnections = 64;
constexpr size_t kMostConnections = 512;
constexpr double kLateS = 0.001;      // the generator itself was not on time
constexpr double kPatienceS = 15.0;   // for the last answers

double Now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

struct Connection {
  int socket;
  std::string received;
  double due = 0;
  bool busy = false;
};

// Whether `received` is a whole response. Knows Content-Length and chunks.
bool IsWhole(const std::string& received) {
  size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  std::string head = received.substr(0, end);
  for (char& letter : head) letter = tolower(letter);
  size_t length = head.find("content-length:");
  if (length != std::string::npos) return received.size() >= end + 4 + atol(head.c_str() + length + 15);
  const std::string last = "0\r\n\r\n";
  return head.find("chunked") != std::string::npos && received.size() >= last.size() &&
         received.compare(received.size() - last.size(), last.size(), last) == 0;
}

class Generator {
 public:
  Generator(int port, std::string request, double rate, double seconds)
      : port_(port), request_(std::move(request)), seconds_(seconds), gap_(rate), poll_(epoll_create1(0)) {}

  void Run() {
    for (int i = 0; i < kFirstConnections; i++)
      if (Connection* connection = Open()) idle_.push_back(connection);
    begun_ = Now() + 0.01;
    double next = begun_;
    const double end = begun_ + seconds_;
    for (double now = Now(); now < end + kPatienceS; now = Now()) {
      for (; next <= now && next < end; next += gap_(random_)) {
        due_.push_back(next);
        late_ += now - next > kLateS;
        offered_++;
      }
      SendWhatIsDue();
      if (now >= end && due_.empty() && waiting_ == 0) break;
      Receive();
    }
    failed_ += waiting_ + static_cast<long>(due_.size());
    took_ = std::max(Now() - begun_, seconds_);
  }

  void Print() {
    std::sort(latencies_.begin(), latencies_.end());
    printf("JSON {\"requests\":%zu,\"requests_per_s\":%.2f,\"p50_us\":%ld,\"p99_us\":%ld,\"max_us\":%ld,\"failed\":%ld,"
           "\"offered\":%ld,\"late\":%ld,\"connections\":%zu}\n",
           latencies_.size(), latencies_.size() / took_, Percentile(0.5), Percentile(0.99), Percentile(1.0), failed_, offered_,
           late_, connections_.size());
  }

 private:
  Connection* Open() {
    int made = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(made, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      close(made);
      return nullptr;
    }
    int on = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(made, F_SETFL, O_NONBLOCK);
    connections_.push_back(std::make_unique<Connection>(Connection{made, ""}));
    Connection* connection = connections_.back().get();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection;
    epoll_ctl(poll_, EPOLL_CTL_ADD, made, &event);
    return connection;
  }

  void SendWhatIsDue() {
    while (!due_.empty()) {
      Connection* connection = nullptr;
      if (!idle_.empty()) {
        connection = idle_.back();
        idle_.pop_back();
      } else if (connections_.size() < kMostConnections) {
        connection = Open();
      }
      if (connection == nullptr) return;
      connection->due = due_.front();
      due_.pop_front();
      connection->busy = true;
      connection->received.clear();
      waiting_++;
      for (size_t sent = 0; sent < request_.size();) {
        ssize_t count = write(connection->socket, request_.data() + sent, request_.size() - sent);
        if (count > 0) sent += count;
        else if (errno != EAGAIN) break;  // the reader sees the end of the connection and counts it
      }
    }
  }

  void Receive() {
    epoll_event events[256];
    char buffer[65536];
    int ready = epoll_wait(poll_, events, 256, 0);
    for (int i = 0; i < ready; i++) {
      auto* connection = static_cast<Connection*>(events[i].data.ptr);
      ssize_t count = read(connection->socket, buffer, sizeof buffer);
      if (count < 0 && errno == EAGAIN) continue;
      if (count <= 0) {
        Lose(connection);
        continue;
      }
      if (!connection->busy) continue;
      connection->received.append(buffer, count);
      if (!IsWhole(connection->received)) continue;
      if (connection->received.compare(9, 3, "200") == 0) latencies_.push_back(Now() - connection->due);
      else failed_++;
      connection->busy = false;
      waiting_--;
      idle_.push_back(connection);
    }
  }

  void Lose(Connection* connection) {
    epoll_ctl(poll_, EPOLL_CTL_DEL, connection->socket, nullptr);
    close(connection->socket);
    if (connection->busy) {
      failed_++;
      waiting_--;
    }
    idle_.erase(std::remove(idle_.begin(), idle_.end(), connection), idle_.end());
    connections_.erase(std::find_if(connections_.begin(), connections_.end(),
                                    [connection](const auto& each) { return each.get() == connection; }));
  }

  long Percentile(double part) const {
    if (latencies_.empty()) return 0;
    return 1e6 * latencies_[std::min(latencies_.size() - 1, static_cast<size_t>(part * latencies_.size()))];
  }

  const int port_;
  const std::string request_;
  const double seconds_;
  std::exponential_distribution<double> gap_;
  std::mt19937_64 random_{7};
  const int poll_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;
  std::deque<double> due_;
  std::vector<double> latencies_;
  double begun_ = 0, took_ = 0;
  long offered_ = 0, waiting_ = 0, failed_ = 0, late_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count < 6) {
    fprintf(stderr, "poisson PORT PATH BODY_FILE RATE SECONDS [HEADER ...]\n");
    return 2;
  }
  std::ifstream file(words[3], std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  const std::string body = content.str();
  std::string request = std::string("POST ") + words[2] + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n";
  for (int i = 6; i < count; i++) request += std::string(words[i]) + "\r\n";
  Generator generator(atoi(words[1]), request + "\r\n" + body, atof(words[4]), atof(words[5]));
  generator.Run();
  generator.Print();
}
