/** The words by which Admin's rules tell one kind of request from another, English and Chinese. */
import type { Intent } from '../machines/slot.ts'

/** Every match counts its weight; the heaviest intent wins, and at a tie the one that stands first. */
export const intentSignals: { intent: Exclude<Intent, 'general_request'>; weight: number; is: RegExp }[] = [
  {
    intent: 'debug',
    weight: 3,
    is: /\b[A-Z]\w*(?:Error|Exception)\b|\b(?:ERESOLVE|ECONNREFUSED|ENOENT|EADDRINUSE|NullPointer\w*|segfault|traceback|stack ?trace)\b|\b[45]\d\d\s*(?:error|错误)|错误码/g,
  },
  {
    intent: 'debug',
    weight: 2,
    is: /\b(?:root cause|memory leak|race conditions?|deadlocks?|debug|crash(?:es|ed|ing)?|throws?|bugs?|not work(?:ing)?|doesn't work|broken|goes wrong|something is wrong|have a problem|infinite loop|why (?:does|do|is|are|did) (?:my|our|this|the|it))\b|根本原因|泄漏|死锁|死循环|无限|报错|崩溃|调试|排查|修复|重复扣款|不工作|不行|用不了|出问题|出错|为什么我的|白屏|错乱|卡死|\b(?:hangs?|rejected|does nothing|what could be the reason|what is going on|keeps? (?:crashing|failing|restarting)|times? out|timeouts?|same problem|uncaught)\b/gi,
  },
  {
    intent: 'debug',
    weight: 1,
    is: /\b(?:errors?|exceptions?|fails?|failed|failing|wrong|fix|fault|unable to)\b|错误|异常|失败|为什么|不对|怎么解决/gi,
  },
  {
    intent: 'documentation',
    weight: 4,
    is: /\b(?:readme|docstrings?|release notes|changelog|user guide|user manual|api docs|(?:write|create|draft|update|improve|complete)\b[^.?!\n]{0,24}\bdocumentation)\b|(?:编写|写|补充|完善|更新|撰写|生成)[^。？！\n]{0,16}(?:文档|手册|说明书|注释|指南|教程|更新日志|发布说明)/gi,
  },
  {
    intent: 'documentation',
    weight: 2,
    is: /\b(?:documentation|document (?:the|this|our|how)|docs|tutorial|manual|javadoc|jsdoc|onboarding guide)\b|文档|手册|说明书|使用说明|教程/gi,
  },
  {
    intent: 'ops',
    weight: 2,
    is: /\b(?:deploy(?:s|ed|ing|ments?)?|kubernetes|k8s|kubectl|docker|containers?|pods?|nginx|apache|systemd|terraform|ansible|helm|ci\/cd|pipelines?|cron(?:tab| ?jobs?)?|roll ?backs?|roll back|back ?ups?|backs? up|restart|monitoring|alerting|autoscal\w+|oomkilled|zero[- ]downtime|cutover|uptime|dns|ssl|tls certificates?|firewall|disk|load balancer|prometheus|grafana|ssh|certificates?|disaster recovery|data cent(?:er|re))\b|部署|重启|回滚|监控|告警|备份|运维|集群|磁盘|容器|扩容|停机|证书|防火墙|端口|日志轮转/gi,
  },
  {
    intent: 'ops',
    weight: 1,
    is: /\b(?:servers?|clusters?|production|instances?|ports?|cpu|linux|ubuntu|redis|postgres|regions?|migration|configure)\b|服务器|上线|生产环境|内存|进程|Linux|迁移|配置/gi,
  },
  {
    intent: 'build_feature',
    weight: 3,
    is: /(?:^|[.!?\n]\s*|please |can you |could you )(?:implement|build|develop|add|create|refactor|design|code|program|extend)\b|\bwrite (?:a|an|the|me a|some)\s+(?:[\w-]+\s+){0,3}(?:function|script|class|query|program|compiler|game|website|bot|component|module|test|tests|method|api|endpoint|regex|hook|bot|cli|parser)\b|写一?[个段]?[^。？！\n]{0,14}(?:函数|脚本|程序|查询|类|组件|接口|正则|爬虫|算法|代码|测试|排序)|实现|开发一|重构|新增|设计[^。？！\n]{0,18}(?:系统|架构|服务|数据库|接口)|(?:添加|增加|加)一个/gi,
  },
  {
    intent: 'build_feature',
    weight: 1,
    is: /\b(?:implement|feature|endpoint|toggle|button|component|page|refactor|unit tests?|from scratch|architecture|typescript|python)\b|功能|页面|按钮|模块|架构|单元测试|从零|添加|增加|创建|搭建/gi,
  },
]

/** One of these alone asks for long thought. */
export const deepSignals =
  /\b(?:prove|proof|derive|derivation|from scratch|root cause|threat model|zero[- ]downtime)\b|证明|推导|从零|根本原因|零停机|容灾/gi

/** Work of many steps or much thought. */
export const hardSignals =
  /\b(?:architect\w*|migrat(?:e|ing|ion)|refactor|distributed|trade-?offs?|generali[sz]e|strateg(?:y|ic|ies)|comprehensive|complete|whole|entire|in[- ]depth|multi-tenant|multi-region|concurren(?:t|cy)|under load|scal(?:e|able|ability|ing)|evaluate|analy[sz]e|analysis|investigate|benchmark\w*|audit|optimi[sz]e|race conditions?|deadlocks?|memory leak|high availability|failover|fails? over|roll ?back plan|step by step|redesign|consistency|atomic\w*|recommend one|roadmap|three-year|long-term|end[- ]to[- ]end|backwards? compatib\w+|sharding|disaster recovery|compiler|algorithm|hypothes[ie]s|thesis|evidence|counterarguments?|business plan|boundaries|ownership|latency|throughput|data model|fault[- ]toleran\w+|simulat\w+|model the)\b|架构|迁移|重构|分布式|权衡|推广到|战略|完整|深入|高并发|百万|千万|评估|分析|性能测试|压力测试|基准测试|故障转移|一致性|高可用|方案|系统地|系统性|泄漏|优劣|微服务|规划|逐步|全面|多租户|兼容|可扩展|整个|商业计划|一套|权限|审计|主从|回滚|表结构|算法|财务|风险|延迟/gi

/** What an answer must keep to. */
export const constraintSignals =
  /\b(?:must(?: not)?|should(?: not)?|at most|at least|no more than|without|only|requirements?|constraints?|ensure|make sure|keep(?:ing)?|including|with respect to|considering|taking into account|has to|have to|need(?:s)? to|never|always|exactly|avoid)\b|必须|要求|不能|不要|不得|至少|至多|最多|只能|仅|保持|包括|需要考虑|考虑|确保|避免|支持|涉及|结合/gi

/** Tasks: several of them in one message make it a project. */
export const taskSignals =
  /\b(?:write|implement|build|create|add|design|explain|describe|compare|propose|suggest|recommend|test|review|discuss|propose|weigh|defend|verify|work out|split|plan|analy[sz]e|find|fix|refactor|develop|set up|tell me how|give|list|summari[sz]e|evaluate|prove|derive|document|translate|investigate|generali[sz]e)\b|设计|实现|开发|编写|分析|比较|给出|说明|制定|评估|补充|测试|解释|总结|推荐|重构|修复|优化|证明|推广|提供|列出|检查/gi

/** Facts with one short answer. */
export const factSignals =
  /^(?:(?:hi|hello|hey|please|so|and|quick question)[\s,.:!]*)*(?:what(?:s|'s| is| are| was| were| does| do| time| year| day| date| color| colour)\b|who(?:'s)?\b|whose\b|when\b|where\b|which\b|how (?:many|much|old|far|tall|long|big|high|fast|late)\b|is\b|are\b|was\b|does\b|did\b|do you\b|has\b|can i\b|spell\b|define\b|translate\b|convert\b|tell me (?:a|the|your)\b|say\b|calculate\b|name (?:a|an|one|the|two|three)\b|give me (?:a|the)\b|remind me\b|synonyms?\b|antonyms?\b|plural\b|roll\b|flip\b)|是谁|是什么|什么意思|哪里|哪儿|哪个|哪位|哪年|哪天|多少|几[点个号岁天月年米]|星期几|什么时候|何时|怎么说|怎么读|作者|首都|缩写|等于|讲个|是不是|吗[？?]?$|翻译成|多大|多高|多远|多久/i

/** What makes even a short question more than a fact. */
export const explainSignals =
  /\b(?:difference|why|how (?:do|does|can|could|should|to|would)|explain|compare|versus|vs|pros|cons|recommend|best|better|write|draft|summari[sz]e|suggest|ideas?|plan|example|wrong|fix|errors?|fails?|throws?|advice|strategy|approach|implement|create|build|design|add|overflow|itinerary|reasons?|recipe)\b|区别|为什么|如何|怎么(?:用|做|办|部署|解决|安装|配置|实现|操作|样才)|解释|比较|推荐|写一|总结|建议|优缺点|优点|举个例子|报错|失败|理由|编写|添加/i
