// iptux without its window: its own core (libiptux-core), told what to do in lines on stdin, and what
// happens to it in lines on stdout. A line end within a text is written \n.
//
//   iptux_judge CONFIG   where CONFIG is the JSON of ~/.iptux/config.json
//
//   detect IP          online IP ENCODING NAME GROUP
//   say IP TEXT        update IP ENCODING NAME GROUP
//   group IP TEXT      offline IP
//   rename NAME        text IP TEXT
//   exit               error IP TEXT      a text of its own that nobody acknowledged
//                      said IP TEXT       one that was
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>

#include "iptux-core/CoreThread.h"
#include "iptux-core/Event.h"
#include "iptux-core/IptuxConfig.h"
#include "iptux-core/ProgramData.h"

using namespace iptux;
using std::string;

static std::mutex out;

// Texts that nobody acknowledged. SendMessage says true of them too.
static std::mutex failing;
static std::condition_variable failed;
static int failures = 0;

// The least time in which a text is sent four times, each waited for 0.3 s, as the tests set it.
static const std::chrono::milliseconds ALL_ATTEMPTS(1000);

static void print(const string &line) {
  std::lock_guard<std::mutex> lock(out);
  for (char c : line) {
    if (c == '\n') std::cout << "\\n";
    else std::cout << c;
  }
  std::cout << std::endl;
}

static void print_pal(const string &what, CPPalInfo pal) {
  print(what + " " + pal->GetKey().GetIpv4String() + " " + pal->getEncode() + " " + pal->getName() +
        " " + pal->getGroup());
}

static void happened(CoreThread &core, std::shared_ptr<const Event> event) {
  if (auto online = std::dynamic_pointer_cast<const NewPalOnlineEvent>(event)) {
    print_pal("online", online->getPalInfo());
  } else if (auto update = std::dynamic_pointer_cast<const PalUpdateEvent>(event)) {
    print_pal("update", update->getPalInfo());
  } else if (auto offline = std::dynamic_pointer_cast<const PalOfflineEvent>(event)) {
    print("offline " + offline->GetPalKey().GetIpv4String());
  } else if (auto message = std::dynamic_pointer_cast<const NewMessageEvent>(event)) {
    const MsgPara &para = message->getMsgPara();
    if (para.stype == MessageSourceType::ERROR) {
      std::lock_guard<std::mutex> lock(failing);
      failures++;
      failed.notify_all();
      return;
    }
    for (const ChipData &chip : para.dtlist) {
      print("text " + para.getPal()->GetKey().GetIpv4String() + " " + chip.data);
    }
  }
}

// Whether a text was acknowledged. Which text an error is about it does not say, and it comes by another
// thread: so a text that took all attempts is followed by a wait.
static bool say(CoreThread &core, CPPalInfo pal, const string &text) {
  std::unique_lock<std::mutex> lock(failing);
  failures = 0;
  lock.unlock();
  auto begun = std::chrono::steady_clock::now();
  bool sent = core.SendMessage(pal, text);
  auto patience = std::chrono::milliseconds(
      std::chrono::steady_clock::now() - begun < ALL_ATTEMPTS ? 0 : 500);
  lock.lock();
  return sent && !failed.wait_for(lock, patience, [] { return failures > 0; });
}

int main(int count, char **words) {
  if (count != 2) return 2;
  auto data = std::make_shared<ProgramData>(IptuxConfig::newFromString(words[1]));
  auto core = std::make_shared<CoreThread>(data);
  core->signalEvent.connect([&](std::shared_ptr<const Event> event) { happened(*core, event); });
  core->start();
  print("started");
  string line;
  while (std::getline(std::cin, line)) {
    auto first = line.find(' '), second = line.find(' ', first + 1);
    string verb = line.substr(0, first);
    string who = first == string::npos ? "" : line.substr(first + 1, second - first - 1);
    string text = second == string::npos ? "" : line.substr(second + 1);
    if (verb == "exit") break;
    if (verb == "detect") {
      core->SendDetectPacket(who);
    } else if (verb == "rename") {
      core->getProgramData()->nickname = who;
      core->UpdateMyInfo();
    } else if (auto pal = core->GetPal(who)) {
      if (verb == "group") core->SendGroupMessage(pal->GetKey(), text);
      else print((say(*core, pal, text) ? "said " : "error ") + who + " " + text);
    } else {
      print("unknown " + who);
    }
  }
  core->stop();
  // Its threads are waited for nowhere.
  std::_Exit(0);
}
