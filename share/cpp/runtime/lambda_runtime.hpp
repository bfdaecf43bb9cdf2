// A Lambda runtime for C++20 in one header, with no library but the C and C++ ones.
//
//     #include <lambda_runtime.hpp>
//
//     int main() {
//         return lambda::run_handler([](const lambda::invocation& event) {
//             return lambda::success("{\"length\":" + std::to_string(event.payload.size()) + "}");
//         });
//     }
//
// A handler returns success, failure or stream; an exception is a failure, too, of the type of
// the exception. The API is AWS's Lambda Runtime API, version 2018-06-01:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
#pragma once

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

namespace lambda {

// --- for handlers ---------------------------------------------------------------------------

// One event, and what Lambda says about it. Text that Lambda did not send is empty.
struct invocation {
    std::string payload;  // the event, as it came
    std::string content_type;
    std::string request_id;
    std::string function_arn;
    std::string trace_id;
    std::string tenant_id;
    std::string client_context;    // JSON
    std::string cognito_identity;  // JSON
    std::chrono::system_clock::time_point deadline;

    // The time until Lambda ends the invocation; zero once that is past.
    std::chrono::milliseconds remaining() const {
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::system_clock::now());
        return std::max(left, std::chrono::milliseconds::zero());
    }
};

// Throw one for an error with a type of your own.
class error : public std::runtime_error {
public:
    error(std::string type, const std::string& message)
        : std::runtime_error(message), type(std::move(type)) {}
    std::string type;
};

// Text as a JSON string, quotes included. Bytes from 128 up are passed on: UTF-8 stays as it is.
inline std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (unsigned char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += static_cast<char>(c);
        } else if (c < 0x20) {
            char code[7];
            std::snprintf(code, sizeof code, "\\u%04x", c);
            out += code;
        } else {
            out += static_cast<char>(c);
        }
    }
    return out + '"';
}

namespace detail {
class connection;
}

// What a streamed response is written to.
class writer {
public:
    writer(detail::connection& api, std::string path) : api_(api), path_(std::move(path)) {}

    // Sets the content type; only before the first byte.
    void content_type(std::string type) { type_ = std::move(type); }

    // Begins a response to an HTTP request.
    void http(int status, const std::map<std::string, std::string>& headers = {},
              const std::vector<std::string>& cookies = {});

    // Sends a piece of the response now.
    void write(std::string_view data);

    bool begun() const { return begun_; }

private:
    friend class runtime;
    void begin();
    detail::connection& api_;
    std::string path_;
    std::string type_ = "application/octet-stream";
    bool begun_ = false;
};

// What a handler returns.
struct result {
    bool ok = true;
    std::string body;          // the response; of a failure the message
    std::string content_type;  // of a failure the type
    std::function<void(writer&)> stream;
};

inline result success(std::string body, std::string content_type = "application/json") {
    return {true, std::move(body), std::move(content_type), nullptr};
}
inline result failure(std::string type, std::string message) {
    return {false, std::move(message), std::move(type), nullptr};
}
// A streamed response: `write` is called with a writer. An exception that it throws after the
// first byte is told to the caller in the trailers.
inline result stream(std::function<void(writer&)> write) { return {true, "", "", std::move(write)}; }

using handler = std::function<result(const invocation&)>;

// --- the connection -------------------------------------------------------------------------

namespace detail {

struct answer {
    int status = 0;
    std::map<std::string, std::string> fields;  // by lower-case name
    std::string body;

    std::string field(const std::string& name) const {
        auto found = fields.find(name);
        return found == fields.end() ? "" : found->second;
    }
};

// The other side closed the connection before an answer began.
struct lost : std::runtime_error {
    lost() : std::runtime_error("the Runtime API closed the connection") {}
};

inline std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return text;
}

inline std::string trimmed(std::string_view text) {
    auto first = text.find_first_not_of(" \t\r");
    if (first == text.npos) return "";
    return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

// One kept HTTP/1.1 connection. Head and body leave in one call, and nothing has a time limit:
// between events the whole machine may be frozen for hours.
class connection {
public:
    explicit connection(std::string address) : address_(std::move(address)) {}
    ~connection() { close(); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // Sends a request and reads the answer. A kept connection that turns out to be gone is
    // opened again, once.
    answer exchange(std::string_view method, const std::string& path, std::string headers = "",
                    std::string_view body = {}) {
        if (method == "POST") headers += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        std::string request = head(method, path) + headers + "\r\n";
        if (socket_ >= 0) {
            try {
                send(request, body);
                return receive();
            } catch (const lost&) {
                close();
            }
        }
        open();
        send(request, body);
        return receive();
    }

    std::string head(std::string_view method, const std::string& path) const {
        return std::string(method) + " /2018-06-01/runtime" + path + " HTTP/1.1\r\nHost: " + address_ +
               "\r\nUser-Agent: lambdaimg-cpp/" + std::to_string(__cplusplus) + "\r\n";
    }

    void open() {
        if (socket_ >= 0) return;
        auto colon = address_.rfind(':');
        std::string host = address_.substr(0, colon);
        std::string port = colon == address_.npos ? "80" : address_.substr(colon + 1);
        addrinfo hints{}, *found = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        if (int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found))
            throw std::runtime_error("cannot resolve " + address_ + ": " + gai_strerror(code));
        int reason = 0;
        for (addrinfo* peer = found; peer && socket_ < 0; peer = peer->ai_next) {
            int fd = socket(peer->ai_family, peer->ai_socktype | SOCK_CLOEXEC, peer->ai_protocol);
            if (fd >= 0 && connect(fd, peer->ai_addr, peer->ai_addrlen) == 0) {
                int on = 1;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                socket_ = fd;
            } else {
                reason = errno;
                if (fd >= 0) ::close(fd);
            }
        }
        freeaddrinfo(found);
        if (socket_ < 0)
            throw std::runtime_error("cannot reach the Runtime API at " + address_ + ": " +
                                     std::strerror(reason));
    }

    // Closes a connection that the API has closed while the handler ran. What a stream sends into it
    // would be lost, and only the next send would tell.
    void drop_if_gone() {
        char byte;
        if (socket_ >= 0 && (recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN))
            close();
    }

    void close() {
        if (socket_ >= 0) ::close(socket_);
        socket_ = -1;
        buffer_.clear();
    }

    void send(std::string_view first, std::string_view second = {}) {
        while (!first.empty() || !second.empty()) {
            iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                              {const_cast<char*>(second.data()), second.size()}};
            msghdr message{};
            message.msg_iov = parts;
            message.msg_iovlen = 2;
            ssize_t sent = sendmsg(socket_, &message, MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0) throw lost();
            auto of_first = std::min(first.size(), static_cast<std::size_t>(sent));
            first.remove_prefix(of_first);
            second.remove_prefix(static_cast<std::size_t>(sent) - of_first);
        }
    }

    answer receive() {
        answer got;
        do {
            got.fields.clear();
            got.status = status_of(line(true));
            for (std::string text; !(text = line()).empty();) {
                auto colon = text.find(':');
                if (colon == text.npos) throw std::runtime_error("the answer is no HTTP");
                got.fields[lower(text.substr(0, colon))] = trimmed(text.substr(colon + 1));
            }
        } while (got.status < 200);
        got.body = lower(got.field("transfer-encoding")) == "chunked"
                       ? chunked()
                       : exactly(number(got.field("content-length"), 10));
        if (lower(got.field("connection")) == "close") close();
        return got;
    }

private:
    static int status_of(const std::string& line) {
        if (!line.starts_with("HTTP/1.") || line.size() < 12)
            throw std::runtime_error("the answer is no HTTP");
        return static_cast<int>(number(line.substr(9, 3), 10));
    }

    static std::size_t number(const std::string& text, int base) {
        char* end = nullptr;
        errno = 0;
        auto value = std::strtoul(text.c_str(), &end, base);
        if (end == text.c_str() || errno || value > max_body)
            throw std::runtime_error("the answer has no proper length");
        return value;
    }

    // Reads more into the buffer.
    void fill(bool first = false) {
        char data[65536];
        ssize_t count;
        do {
            count = recv(socket_, data, sizeof data, 0);
        } while (count < 0 && errno == EINTR);
        if (count <= 0) {
            bool nothing_yet = first && buffer_.empty();
            close();
            if (nothing_yet) throw lost();
            throw std::runtime_error("the Runtime API broke off its answer");
        }
        buffer_.append(data, static_cast<std::size_t>(count));
    }

    std::string line(bool first = false) {
        std::size_t end;
        while ((end = buffer_.find('\n')) == buffer_.npos) fill(first);
        std::string text = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        if (text.ends_with('\r')) text.pop_back();
        return text;
    }

    std::string exactly(std::size_t size) {
        std::string body = std::exchange(buffer_, {});
        if (body.size() > size) {
            buffer_ = body.substr(size);
            body.resize(size);
        }
        std::size_t have = body.size();
        body.resize(size);
        while (have < size) {
            ssize_t count = recv(socket_, body.data() + have, size - have, MSG_WAITALL);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) {
                close();
                throw std::runtime_error("the Runtime API broke off its answer");
            }
            have += static_cast<std::size_t>(count);
        }
        return body;
    }

    std::string chunked() {
        std::string body;
        while (std::size_t size = number(line(), 16)) {
            body += exactly(size);
            line();
        }
        while (!line().empty()) {
        }
        return body;
    }

    static constexpr std::size_t max_body = 256 * 1024 * 1024;
    std::string address_;
    std::string buffer_;
    int socket_ = -1;
};

// JSON text in printable ASCII, as a header takes it: what is beyond becomes \u escapes, and what is
// no UTF-8 a replacement letter.
inline std::string ascii(std::string_view json) {
    std::string out;
    for (std::size_t i = 0; i < json.size();) {
        unsigned char first = static_cast<unsigned char>(json[i++]);
        if (first < 0x7f) {
            out += static_cast<char>(first);
            continue;
        }
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
        unsigned long code = more ? first & (0x3f >> more) : first == 0x7f ? first : 0xfffd;
        for (; more > 0 && i < json.size() && (json[i] & 0xc0) == 0x80; more--)
            code = code << 6 | (static_cast<unsigned char>(json[i++]) & 0x3f);
        char text[13];
        if (more > 0 || code > 0x10ffff)
            std::snprintf(text, sizeof text, "\\ufffd");
        else if (code < 0x10000)
            std::snprintf(text, sizeof text, "\\u%04lx", code);
        else
            std::snprintf(text, sizeof text, "\\u%04lx\\u%04lx", 0xd7c0 + (code >> 10),
                          0xdc00 + (code & 0x3ff));
        out += text;
    }
    return out;
}

// What the Runtime API takes of an error, in a request and in the trailers of a stream; it does not
// recover from one beyond.
constexpr std::size_t max_error = 6 * 1024 * 1024;
constexpr std::size_t max_trailer = 2700;

// Where it has more than `max` bytes, the message is cut until it fits.
inline std::string error_body(const std::string& type, const std::string& message,
                              const std::string& request_id, std::size_t max = max_error) {
    std::string body = ascii("{\"errorType\":" + json_string(type) + ",\"errorMessage\":" + json_string(message) +
                 ",\"stackTrace\":[]" +
                 (request_id.empty() ? "" : ",\"requestId\":" + json_string(request_id)) + "}");
    if (body.size() <= max || message.size() < 10) return body;
    return error_body(type, message.substr(0, message.size() / 2) + " ...", request_id, max);
}

// The error as AWS X-Ray takes it.
inline std::string xray_header(const std::string& type, const std::string& message) {
    std::string cause = "{\"working_directory\":\"\",\"paths\":[],\"exceptions\":[{\"type\":" +
                        json_string(type) + ",\"message\":" + json_string(message) +
                        ",\"stack\":[]}]}";
    cause = ascii(cause);
    if (cause.size() >= 1024 * 1024) return "";
    return "Lambda-Runtime-Function-XRay-Error-Cause: " + cause + "\r\n";
}

// The error types that Lambda keeps begin with Runtime. or Function.
inline std::string type_header(std::string type) {
    for (std::size_t at; (at = type.find("::")) != type.npos;) type.replace(at, 2, ".");
    std::erase_if(type, [](unsigned char c) { return !std::isalnum(c) && c != '.' && c != '_'; });
    if (!type.starts_with("Runtime.") && !type.starts_with("Function.")) type = "Function." + type;
    return "Lambda-Runtime-Function-Error-Type: " + type + "\r\n";
}

inline std::string base64(std::string_view data) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < data.size(); i += 3) {
        unsigned bits = 0;
        for (std::size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < data.size() ? static_cast<unsigned char>(data[i + j]) : 0);
        for (std::size_t j = 0; j < 4; j++)
            out += i + j <= data.size() ? letters[bits >> (18 - 6 * j) & 63] : '=';
    }
    return out;
}

inline std::string type_name(const std::exception& thrown) {
    int status = 0;
    char* name = abi::__cxa_demangle(typeid(thrown).name(), nullptr, nullptr, &status);
    std::string text = status == 0 ? name : typeid(thrown).name();
    std::free(name);
    return text;
}

inline void log(const std::string& text) { std::fprintf(stderr, "[ERROR] %s\n", text.c_str()); }

}  // namespace detail

// --- streaming ------------------------------------------------------------------------------

inline void writer::begin() {
    if (std::exchange(begun_, true)) return;
    std::erase_if(type_, [](unsigned char c) { return c < 0x20 || c > 0x7e; });
    api_.drop_if_gone();
    api_.open();
    api_.send(api_.head("POST", path_) +
              "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
              "Transfer-Encoding: chunked\r\n"
              "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
              "Content-Type: " +
              type_ + "\r\n\r\n");
}

inline void writer::write(std::string_view data) {
    begin();
    if (data.empty()) return;
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    api_.send(size + std::string(data) + "\r\n");
}

inline void writer::http(int status, const std::map<std::string, std::string>& headers,
                         const std::vector<std::string>& cookies) {
    content_type("application/vnd.awslambda.http-integration-response");
    std::string head = "{\"statusCode\":" + std::to_string(status) + ",\"headers\":{";
    for (const auto& [name, value] : headers)
        head += (head.ends_with('{') ? "" : ",") + json_string(name) + ":" + json_string(value);
    head += "},\"cookies\":[";
    for (const auto& cookie : cookies) head += (head.ends_with('[') ? "" : ",") + json_string(cookie);
    write(head + "]}" + std::string(8, '\0'));
}

// --- the loop -------------------------------------------------------------------------------

class runtime {
public:
    explicit runtime(std::string address) : api_(std::move(address)) {}

    // Serves events without end; returns 1 where none can be fetched any more.
    int run(const handler& handle) {
        while (auto event = wait()) {
            if (event->trace_id.empty())
                unsetenv("_X_AMZN_TRACE_ID");
            else
                setenv("_X_AMZN_TRACE_ID", event->trace_id.c_str(), 1);
            serve(handle, *event);
        }
        return 1;
    }

    void init_error(const std::string& type, const std::string& message) {
        detail::log(type + ": " + message);
        post("/init/error", detail::error_body(type, message, ""), json_type + detail::type_header(type));
    }

private:
    std::optional<invocation> wait() {
        auto pause = std::chrono::milliseconds(100);
        for (int left = 5; left > 0; left--, pause *= 2) {
            try {
                return next();
            } catch (const std::exception& thrown) {
                api_.close();
                detail::log(std::string("no event could be fetched: ") + thrown.what());
            }
            if (left > 1) std::this_thread::sleep_for(pause);
        }
        return std::nullopt;
    }

    invocation next() {
        auto got = api_.exchange("GET", "/invocation/next");
        if (got.status != 200) throw std::runtime_error("answered " + std::to_string(got.status));
        invocation event;
        event.request_id = got.field("lambda-runtime-aws-request-id");
        if (event.request_id.empty()) throw std::runtime_error("an event without a request id");
        event.content_type = got.field("content-type");
        event.function_arn = got.field("lambda-runtime-invoked-function-arn");
        event.trace_id = got.field("lambda-runtime-trace-id");
        event.tenant_id = got.field("lambda-runtime-aws-tenant-id");
        event.client_context = got.field("lambda-runtime-client-context");
        event.cognito_identity = got.field("lambda-runtime-cognito-identity");
        auto deadline = std::strtoll(got.field("lambda-runtime-deadline-ms").c_str(), nullptr, 10);
        event.deadline = std::chrono::system_clock::time_point(std::chrono::milliseconds(deadline));
        event.payload = std::move(got.body);
        return event;
    }

    void serve(const handler& handle, const invocation& event) {
        std::string path = "/invocation/" + event.request_id;
        result told = guarded([&] { return handle(event); });
        if (told.ok && told.stream) {
            serve_stream(event, path, told);
        } else if (told.ok) {
            post(path + "/response", told.body, "Content-Type: " + told.content_type + "\r\n");
        } else {
            post_error(event, path, told);
        }
    }

    void serve_stream(const invocation& event, const std::string& path, const result& told) {
        writer out(api_, path + "/response");
        try {
            result ended = guarded([&] { return told.stream(out), success(""); });
            if (!ended.ok && !out.begun()) return post_error(event, path, ended);
            out.begin();
            std::string trailers;
            if (!ended.ok) {
                detail::log(ended.content_type + ": " + ended.body);
                trailers = detail::type_header(ended.content_type) +
                           "Lambda-Runtime-Function-Error-Body: " +
                           detail::base64(detail::error_body(ended.content_type, ended.body,
                                                             event.request_id, detail::max_trailer)) +
                           "\r\n";
            }
            api_.send("0\r\n" + trailers + "\r\n");
            accept("response", api_.receive());
        } catch (const std::exception& thrown) {
            api_.close();
            detail::log(std::string("the response stream was broken: ") + thrown.what());
        }
    }

    // What code returns, or the failure that its exception stands for.
    template <typename Code>
    static result guarded(Code code) {
        try {
            return code();
        } catch (const detail::lost&) {
            throw;
        } catch (const error& thrown) {
            return failure(thrown.type, thrown.what());
        } catch (const std::exception& thrown) {
            return failure(detail::type_name(thrown), thrown.what());
        } catch (...) {
            return failure("UnknownException", "something that is no std::exception was thrown");
        }
    }

    void post_error(const invocation& event, const std::string& path, const result& told) {
        detail::log(told.content_type + ": " + told.body);
        post(path + "/error", detail::error_body(told.content_type, told.body, event.request_id),
             json_type + detail::type_header(told.content_type) +
                 detail::xray_header(told.content_type, told.body));
    }

    // A refusal (413 for a response that is too large) is logged, and the next event is served.
    void post(const std::string& path, std::string_view body, std::string headers) {
        try {
            accept(path.substr(path.rfind('/') + 1), api_.exchange("POST", path, headers, body));
        } catch (const std::exception& thrown) {
            api_.close();
            detail::log("the " + path + " was not accepted: " + thrown.what());
        }
    }

    static void accept(const std::string& what, const detail::answer& got) {
        if (got.status != 202)
            detail::log("the Runtime API answered " + std::to_string(got.status) + " to the " + what +
                        ": " + got.body.substr(0, 500));
    }

    inline static const std::string json_type = "Content-Type: application/json\r\n";
    detail::connection api_;
};

// --- start ----------------------------------------------------------------------------------

using handlers = std::map<std::string, handler>;

// Serves events with the handler that the first argument or _HANDLER names, as `file.name` or
// `name`. Returns the exit status where that cannot be.
inline int run_handlers(const handlers& known, int argc = 0, char** argv = nullptr) {
    const char* address = std::getenv("AWS_LAMBDA_RUNTIME_API");
    if (!address || !*address) {
        std::fputs("AWS_LAMBDA_RUNTIME_API is not set. Lambda sets it, and so do `lambdaimg run` and "
                   "`lambdaimg serve`.\n",
                   stderr);
        return 1;
    }
    const char* variable = std::getenv("_HANDLER");
    std::string wanted = argc > 1 ? argv[1] : variable ? variable : "";
    // As the first process of a container this one would not heed the signal at all.
    std::signal(SIGTERM, [](int) { _exit(0); });
    runtime serving(address);
    auto found = known.find(wanted.substr(wanted.rfind('.') + 1));
    if (found == known.end()) {
        serving.init_error("Runtime.HandlerNotFound", "There is no handler '" + wanted + "'");
        return 1;
    }
    return serving.run(found->second);
}

// Serves events with the one handler there is, whatever its name.
inline int run_handler(const handler& handle) {
    const char* variable = std::getenv("_HANDLER");
    std::string name = variable ? variable : "";
    return run_handlers({{name.substr(name.rfind('.') + 1), handle}});
}

}  // namespace lambda
