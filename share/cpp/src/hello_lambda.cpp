// Two handlers: `handler` answers a payload and handles the messages of a queue one by one; `pi`
// computes digits of pi.
#include <charconv>
#include <iostream>
#include <lambda_runtime.hpp>
#include <nlohmann/json.hpp>

#include "pi.hpp"

using nlohmann::json;

namespace {

// Handles the text of one message. Throw anything to have it delivered again.
void handle_message(const std::string& body) { std::clog << "message: " << body << '\n'; }

// Handles each message; those that fail are named, and SQS delivers them again.
json handle_batch(const json& records) {
    auto failed = json::array();
    for (const auto& record : records) {
        try {
            handle_message(record.at("body"));
        } catch (const std::exception& error) {
            std::clog << "message " << record["messageId"] << " failed: " << error.what() << '\n';
            failed.push_back({{"itemIdentifier", record["messageId"]}});
        }
    }
    return {{"batchItemFailures", failed}};
}

lambda::result handler(const lambda::invocation& invocation) {
    auto event = json::parse(invocation.payload);
    if (event.is_object() && event.value("/Records/0/eventSource"_json_pointer, "") == "aws:sqs")
        return lambda::success(handle_batch(event["Records"]).dump());
    json name = event.is_object() ? event.value("name", json("world")) : event;
    std::string greeted = name.is_string() ? name.get<std::string>() : name.dump();
    std::clog << "greeting " << greeted << '\n';
    json answer = {{"message", "Hello, " + greeted + "!"}, {"request_id", invocation.request_id}};
    return lambda::success(answer.dump());
}

// {"number": 20}, or an HTTP request with ?number=20, is answered {"message": "3.1415..."} with 20
// digits after the point.
lambda::result pi_digits(const lambda::invocation& invocation) {
    auto event = json::parse(invocation.payload);
    auto number = event.value("/queryStringParameters/number"_json_pointer, json(event.value("number", json(10))));
    auto text = number.is_string() ? number.get<std::string>() : number.dump();
    std::size_t count = 0;
    auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (wrong != std::errc() || end != text.data() + text.size())
        return lambda::failure("BadNumber", "number is " + number.dump() + ", not a whole number from 0 up");
    json answer = {{"message", pi::digits(count)}};
    if (!event.contains("requestContext")) return lambda::success(answer.dump());
    json response = {{"statusCode", 200},
                     {"headers", {{"Content-Type", "application/json"}}},
                     {"body", answer.dump()}};
    return lambda::success(response.dump());
}

}  // namespace

int main(int argc, char** argv) {
    return lambda::run_handlers({{"handler", handler}, {"pi", pi_digits}}, argc, argv);
}
