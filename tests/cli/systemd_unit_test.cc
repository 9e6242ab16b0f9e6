#include "cli/systemd_unit.h"

#include <gtest/gtest.h>

namespace pcompose::cli {
namespace {

SystemdUnit shop() {
  return {.project = "shop",
          .program = "/usr/bin/pcompose",
          .working_directory = "/srv/shop",
          .files = {"/srv/shop/compose.yaml"},
          .root = "",
          .manager = Manager::system};
}

TEST(SystemdUnit, BringsTheProjectUpAndIsReadyOnceItIsHealthy) {
  EXPECT_EQ(unit_name("shop"), "pcompose-shop.service");
  EXPECT_EQ(unit_text(shop()), R"([Unit]
Description=pcompose project shop
Wants=network-online.target
After=network-online.target
RequiresMountsFor="/srv/shop"

[Service]
Type=notify
NotifyAccess=main
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=/usr/bin/pcompose -p shop --project-directory /srv/shop -f /srv/shop/compose.yaml up --wait
ExecReload=/usr/bin/pcompose -p shop --project-directory /srv/shop -f /srv/shop/compose.yaml up --wait
ExecStop=/usr/bin/pcompose -p shop stop
TimeoutStopSec=infinity

[Install]
WantedBy=multi-user.target
)");
}

TEST(SystemdUnit, AUsersOwnWaitsForNoNetworkTarget) {
  SystemdUnit unit = shop();
  unit.manager = Manager::user;
  unit.root = "/home/u/a root";
  std::string text = unit_text(unit);
  EXPECT_EQ(text.find("network-online"), std::string::npos);
  EXPECT_NE(text.find("WantedBy=default.target\n"), std::string::npos);
  EXPECT_NE(text.find("Environment=\"PCOMPOSE_ROOT=/home/u/a root\"\n"), std::string::npos);
}

TEST(SystemdUnit, WhatSystemdWouldReadOtherwiseIsQuoted) {
  EXPECT_EQ(quoted_word("plain-1.yaml"), "plain-1.yaml");
  EXPECT_EQ(quoted_word("two words"), "\"two words\"");
  EXPECT_EQ(quoted_word("100%"), "100%%");
  EXPECT_EQ(quoted_word("$HOME"), "$$HOME");
  EXPECT_EQ(quoted_word("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(quoted_word("a\nExecStart=b"), "\"a\\nExecStart=b\"");
  EXPECT_EQ(quoted_word(""), "\"\"");
}

}  // namespace
}  // namespace pcompose::cli
