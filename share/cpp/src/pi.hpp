// Digits of pi, as many as one asks for, by an unbounded spigot.
//
// Gibbons' streaming algorithm keeps pi between two fractions and takes in terms of a series
// until both begin with the same digit. Here the lower one is p/t and the upper one (p+q)/t, in
// which form all three stay whole and positive. They grow without limit, so they are big numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pi {

// A whole number from 0 up, as big as need be: the little that the spigot asks of one.
class natural {
public:
    explicit natural(std::uint64_t value) : limbs_{value} {}

    // this = this * factor + other * other_factor
    void multiply_add(std::uint64_t factor, const natural& other, std::uint64_t other_factor) {
        limbs_.resize(std::max(limbs_.size(), other.limbs_.size()), 0);
        wide carry = 0;
        for (std::size_t i = 0; i < limbs_.size(); i++) {
            wide low = static_cast<wide>(limbs_[i]) * factor + static_cast<std::uint64_t>(carry);
            wide more = static_cast<wide>(i < other.limbs_.size() ? other.limbs_[i] : 0) * other_factor +
                        static_cast<std::uint64_t>(low);
            limbs_[i] = static_cast<std::uint64_t>(more);
            carry = (carry >> 64) + (low >> 64) + (more >> 64);
        }
        for (; carry; carry >>= 64) limbs_.push_back(static_cast<std::uint64_t>(carry));
    }

    void multiply(std::uint64_t factor) {
        std::uint64_t carry = 0;
        for (auto& limb : limbs_) {
            wide product = static_cast<wide>(limb) * factor + carry;
            limb = static_cast<std::uint64_t>(product);
            carry = static_cast<std::uint64_t>(product >> 64);
        }
        if (carry) limbs_.push_back(carry);
    }

    // this = this - other * factor; false, and this is lost, where that is below zero.
    bool subtract(const natural& other, std::uint64_t factor) {
        limbs_.resize(std::max(limbs_.size(), other.limbs_.size()), 0);
        wide borrow = 0;
        for (std::size_t i = 0; i < limbs_.size(); i++) {
            borrow += static_cast<wide>(i < other.limbs_.size() ? other.limbs_[i] : 0) * factor;
            auto low = static_cast<std::uint64_t>(borrow);
            borrow >>= 64;
            if (limbs_[i] < low) borrow++;
            limbs_[i] -= low;
        }
        while (limbs_.size() > 1 && !limbs_.back()) limbs_.pop_back();
        return borrow == 0;
    }

    // About this / other, to some fifteen digits.
    double over(const natural& other) const {
        auto distance = static_cast<int>(limbs_.size()) - static_cast<int>(other.limbs_.size());
        return std::ldexp(top() / other.top(), 64 * distance);
    }

private:
    __extension__ typedef unsigned __int128 wide;

    double top() const {
        double value = 0;
        for (std::size_t i = 0; i < 3; i++)
            value = value * 0x1p64 + (i < limbs_.size() ? static_cast<double>(limbs_[limbs_.size() - 1 - i]) : 0);
        return value;
    }

    std::vector<std::uint64_t> limbs_;  // the lowest first
};

class spigot {
public:
    char next() {
        for (;; take_in()) {
            // The guess costs nothing and is right unless the fractions are a hair apart; what
            // it says is checked before it counts.
            auto digit = static_cast<std::uint64_t>(p_.over(t_));
            if (static_cast<std::uint64_t>(p_.over(t_) + q_.over(t_)) != digit) continue;
            natural rest = p_;
            if (!rest.subtract(t_, digit)) continue;
            natural gap = t_;
            if (!gap.subtract(rest, 1) || !gap.subtract(q_, 1)) continue;
            rest.multiply(10);
            p_ = std::move(rest);
            q_.multiply(10);
            return static_cast<char>('0' + digit);
        }
    }

private:
    // One more term of the series.
    void take_in() {
        p_.multiply_add(2 * k_ + 1, q_, k_ - 1);
        q_.multiply(k_);
        t_.multiply(2 * k_ + 1);
        k_++;
    }

    natural p_{3}, q_{1}, t_{1};
    std::uint64_t k_ = 1;
};

// Pi with that many digits after the point.
inline std::string digits(std::size_t count) {
    spigot source;
    std::string text{source.next()};
    if (count) text += '.';
    while (count--) text += source.next();
    return text;
}

}  // namespace pi
