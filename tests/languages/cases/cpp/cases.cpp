// What the tests have a C++ handler do: the event's `do` says it, any other event is echoed.
#include <dirent.h>

#include <fstream>
#include <lambda_runtime.hpp>

namespace {

using lambda::invocation;
using lambda::result;
using lambda::success;

int count = 0;

int entries(const char* folder) {
    int found = -2;
    if (DIR* dir = opendir(folder)) {
        while (readdir(dir)) found++;
        closedir(dir);
    }
    return found;
}

result usage(const invocation&) {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word && word != "VmRSS:") {
    }
    status >> word;
    return success("{\"rss\": " + word + ", \"files\": " + std::to_string(entries("/tmp")) +
                   ", \"open\": " + std::to_string(entries("/proc/self/fd")) + "}");
}

result context(const invocation& event) {
    const char* trace = std::getenv("_X_AMZN_TRACE_ID");
    return success("{\"id\": " + lambda::json_string(event.request_id) +
                   ", \"left\": " + std::to_string(event.remaining().count()) +
                   ", \"trace\": " + lambda::json_string(trace ? trace : "none") +
                   ", \"arn\": " + lambda::json_string(event.function_arn) +
                   ", \"tenant\": " + lambda::json_string(event.tenant_id) +
                   ", \"client\": " + (event.client_context.empty() ? "null" : event.client_context) + "}");
}

const lambda::handlers actions = {
    {"raise", [](const invocation&) -> result { throw lambda::error("OrderNotFound", "no order \"17\" ü"); }},
    {"large", [](const invocation&) -> result { throw lambda::error("Large", std::string(7000000, 'x')); }},
    {"garbled", [](const invocation&) -> result { throw lambda::error("Garbled", "a\x7f" "b"); }},
    {"latin", [](const invocation&) -> result { throw lambda::error("Garbled", "a\xe9" "b \xbf \xf0\x9f\x98\x80"); }},
    {"fail", [](const invocation&) -> result { throw std::runtime_error("plain failure"); }},
    {"returned", [](const invocation&) { return lambda::failure("Returned", "not thrown"); }},
    {"odd", [](const invocation&) -> result { throw 17; }},
    {"exit", [](const invocation&) -> result { std::exit(3); }},
    {"crash", [](const invocation&) -> result { return success(std::string(reinterpret_cast<const char*>(8))); }},
    {"sleep", [](const invocation&) { sleep(60); return success("0"); }},
    {"length", [](const invocation& event) { return success(std::to_string(event.payload.size())); }},
    {"big", [](const invocation&) { return success(std::string(7000000, 'x')); }},
    {"text", [](const invocation&) { return success("\"Grüße\""); }},
    {"empty", [](const invocation&) { return success(""); }},
    {"zero", [](const invocation&) { return success("0"); }},
    {"count", [](const invocation&) { return success(std::to_string(++count)); }},
    {"log", [](const invocation&) { std::fputs("an info line\n", stderr); return success("null"); }},
    {"context", context},
    {"usage", usage},
    {"stream", [](const invocation&) {
        return lambda::stream([](lambda::writer& out) {
            out.content_type("text/plain");
            for (int i = 1; i <= 3; i++) out.write("piece " + std::to_string(i) + " ü\n");
        });
    }},
    {"stream_http", [](const invocation&) {
        return lambda::stream([](lambda::writer& out) {
            out.http(201, {{"Content-Type", "text/html"}}, {"a=1"});
            out.write("<p>");
        });
    }},
    {"stream_fail", [](const invocation&) {
        return lambda::stream([](lambda::writer& out) {
            out.write("first");
            throw lambda::error("Broke", "half-way");
        });
    }},
    {"stream_long", [](const invocation&) {
        return lambda::stream([](lambda::writer& out) {
            out.write("first");
            std::string text;
            for (int i = 0; i < 5000; i++) text += "é";
            throw lambda::error("Broke", text);
        });
    }},
    {"stream_never", [](const invocation&) {
        return lambda::stream([](lambda::writer&) { throw lambda::error("Broke", "at once"); });
    }},
    {"stream_nothing", [](const invocation&) { return lambda::stream([](lambda::writer&) {}); }},
};

result handler(const invocation& event) {
    std::string_view text = event.payload;
    auto found = actions.end();
    if (text.starts_with("{\"do\": \"")) {
        text.remove_prefix(8);
        found = actions.find(std::string(text.substr(0, text.find('"'))));
    }
    return found == actions.end() ? success(event.payload) : found->second(event);
}

}  // namespace

int main(int argc, char** argv) { return lambda::run_handlers({{"handler", handler}}, argc, argv); }
