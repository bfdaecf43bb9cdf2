// What is measured, in C++.
#include <cstdio>
#include <lambda_runtime.hpp>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;

constexpr long long block = 1'000'000'000;

std::string digits(std::size_t count) {
    auto size = static_cast<long long>((count / 9 + 2) * 30);
    std::vector<long long> terms(static_cast<std::size_t>(size) + 1, block / 5);
    long long held = 0;
    std::string text;
    for (; text.size() <= count; size -= 30) {
        long long carry = 0;
        for (long long i = size; i > 0; i--) {
            auto& term = terms[static_cast<std::size_t>(i)];
            carry = carry * i + term * block;
            term = carry % (2 * i - 1);
            carry /= 2 * i - 1;
        }
        char piece[21];
        std::snprintf(piece, sizeof piece, "%09lld", held + carry / block);
        text += piece;
        held = carry % block;
    }
    return text.substr(0, 1) + "." + text.substr(1, count);
}

lambda::result hello(const lambda::invocation& event) {
    auto name = json::parse(event.payload).at("name").get<std::string>();
    return lambda::success(json{{"message", "Hello, " + name + "!"}}.dump());
}

lambda::result echo(const lambda::invocation& event) {
    return lambda::success(json::parse(event.payload).dump());
}

lambda::result pi(const lambda::invocation& event) {
    auto count = json::parse(event.payload).at("number").get<std::size_t>();
    return lambda::success(json{{"message", digits(count)}}.dump());
}

}  // namespace

int main(int argc, char** argv) {
    return lambda::run_handlers({{"hello", hello}, {"echo", echo}, {"pi", pi}}, argc, argv);
}
